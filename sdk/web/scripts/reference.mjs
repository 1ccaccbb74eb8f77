// Writes API.md, the reference of everything that the package exports, from its types and their comments. With `--check`
// it says whether the page is as it would be written.

import { readFileSync, writeFileSync } from "node:fs";

import ts from "typescript";

const root = new URL("..", import.meta.url);
const path = (name) => new URL(name, root).pathname;
const program = ts.createProgram([path("src/index.ts")], { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, strict: true, lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"], types: [], noEmit: true });
const checker = program.getTypeChecker();

/** What the comment says, with links as mere names. */
const comment = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\{@link (\w+)\}/g, "`$1`").trim();
/** The same, on one line. */
const about = (symbol) => comment(symbol).replace(/\s+/g, " ");

const isHidden = (declaration) => ts.isPrivateIdentifier(declaration.name ?? {}) || (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;

/** How it is written, without what it does. */
function spelt(declaration) {
  const text = (node) => node.getText().replace(/\s+/g, " ");
  const parameters = () => `(${declaration.parameters.map(text).join(", ")})`;
  const result = declaration.type ? `: ${text(declaration.type)}` : "";
  const generics = declaration.typeParameters ? `<${declaration.typeParameters.map(text).join(", ")}>` : "";
  if (ts.isConstructorDeclaration(declaration)) return `new ${declaration.parent.name.text}${parameters()}`;
  if (ts.isMethodDeclaration(declaration) || ts.isMethodSignature(declaration) || ts.isFunctionDeclaration(declaration)) return `${declaration.name.text}${generics}${parameters()}${result}`;
  if (ts.isGetAccessor(declaration)) return `${declaration.name.text}${result}`;
  return `${declaration.name.text}${declaration.questionToken ? "?" : ""}${result}`;
}

/** The members that an app sees, those of what it extends too. */
function membersOf(symbol) {
  const members = [];
  const constructor = symbol.members?.get("__constructor");
  if (constructor && !isHidden(constructor.declarations[0])) members.push(constructor);
  members.push(...checker.getDeclaredTypeOfSymbol(symbol).getProperties());
  return members.filter((member) => {
    const [declaration] = member.declarations ?? [];
    const isInternal = member.getJsDocTags(checker).some(({ name }) => name === "internal");
    return declaration?.getSourceFile().fileName.startsWith(path("src/")) && !isHidden(declaration) && !isInternal;
  });
}

function section(symbol) {
  const [declaration] = symbol.declarations;
  const lines = [`## ${symbol.name}`, "", comment(symbol), ""];
  if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
    const list = membersOf(symbol).map((member) => {
      const says = about(member);
      return `- \`${spelt(member.declarations[0])}\`${says && `: ${says}`}`;
    });
    lines.push(...list);
  } else {
    const text = ts.isFunctionDeclaration(declaration) ? spelt(declaration) : declaration.getText().replace(/^export /, "");
    lines.push("```ts", text, "```");
  }
  return lines.join("\n").replace(/\n{3,}/g, "\n\n").trim();
}

const index = program.getSourceFile(path("src/index.ts"));
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(index)).map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
const intro = "# roompass-web: reference\n\nEverything that the package exports. The [guide](README.md) says how it goes together. `npm run reference` writes this page.";
const page = `${[intro, ...exported.map(section)].join("\n\n")}\n`;

if (process.argv.includes("--check")) {
  if (readFileSync(path("API.md"), "utf8") !== page) {
    console.error("API.md is out of date: run `npm run reference`");
    process.exit(1);
  }
} else {
  writeFileSync(path("API.md"), page);
}
