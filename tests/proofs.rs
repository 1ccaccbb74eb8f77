//! Which test proves which promise: collects the comments `// proves T01 (part), F2` above tests, and keeps
//! `server/docs/proofs.md`, which the server shows at `/docs/security`, in step with them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Every promise, in a few words.
const PROMISES: &[(&str, &str)] = &[
    ("T01", "CBC tokens with flipped bits of the IV"),
    ("T02", "CBC tokens spliced from pieces"),
    ("T03", "padding as an oracle"),
    ("T04", "the mode byte changed, dropped or invented"),
    ("T05", "the outer expiry edited"),
    ("T06", "GCM tokens flipped, cut, extended"),
    ("T07", "nonces used twice"),
    ("T08", "IVs and nonces that can be guessed"),
    ("T09", "too many tokens under one secret"),
    ("T10", "lengths and base64 that are not canonical"),
    ("T11", "claims of another type or absent"),
    ("T12", "a token of one app at another"),
    ("T13", "a token for another user, room or stream; rights it lacks"),
    ("T14", "expired, from the future, too long-lived"),
    ("T15", "tokens and payloads that are too large"),
    ("T16", "secrets in logs, errors and answers"),
    ("T17", "secrets compared in time that tells"),
    ("T18", "secrets left in memory or in core dumps"),
    ("T19", "no credential, a bad one, or one of another kind"),
    ("T20", "another app's objects"),
    ("T21", "rights beyond one's own, fields beyond the description"),
    ("T22", "a signed request changed"),
    ("T23", "a signed request sent twice"),
    ("T24", "a signed request out of its time"),
    ("T25", "requests that can be read in two ways"),
    ("T26", "keys guessed"),
    ("T27", "smuggled requests and floods"),
    ("T28", "forged addresses of clients"),
    ("T46", "the AppSign on the wire, or its proof replayed"),
    ("T47", "a weaker login than the app allows"),
    ("T48", "renewal that hangs, fails or brings nothing new"),
    ("T49", "sockets from foreign sites"),
    ("T50", "sockets that never log in"),
    ("T51", "sockets that never read"),
    ("T52", "frames that break the protocol"),
    ("T53", "messages out of turn or in another's name"),
    ("T54", "renewal with a token that does not fit"),
    ("T55", "coming back after a kick"),
    ("T56", "JSON bombs and odd characters"),
    ("T57", "requests forged by other sites"),
    ("T58", "scripts in names and texts"),
    ("T59", "admins guessed, fixed or enumerated"),
    ("T60", "limits, cursors and paths tampered with"),
    ("T61", "a development server on a network"),
    ("T62", "key files that others can read"),
    ("T63", "audit lines edited, removed or moved"),
    ("T64", "state that grows without end"),
    ("T65", "dependencies known to be bad"),
    ("F1", "the store is down or hangs"),
    ("F2", "news from other nodes does not arrive"),
    ("F4", "the clock jumps"),
    ("F5", "the disk is full or fails"),
    ("F6", "the process is killed"),
    ("F7", "the process is told to stop"),
    ("F8", "clients that are slow or half open"),
    ("F9", "very many idle sockets"),
    ("F10", "everybody comes back at once"),
    ("F11", "no file descriptors left"),
    ("F12", "a handler panics"),
    ("F13", "a node is cut off"),
    ("F14", "a configuration or key that is wrong"),
    ("F15", "memory runs out"),
    ("W1", "who may open a socket, and with what in its address"),
    ("W2", "how long messages are, how deep, in how many frames"),
    ("W3", "how many sockets there are, with a login and without"),
    ("W4", "how much comes in and goes out; nobody waits for a member who is slow"),
    ("W5", "pings, and what an idle socket costs"),
    ("W6", "every operation by the present token; identities by the session"),
    ("W7", "warning and expiry"),
    ("W8", "renewal; revocations and kicks reach every node"),
    ("W9", "kicks say why and whether to come back; a drain spreads clients"),
    ("W10", "apps are separate worlds"),
];

/// Where the server finds it.
const PAGE: &str = "server/docs/proofs.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

/// Every Rust file of the workspace.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// A test, and what of a promise it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proof {
    test: String,
    file: String,
    /// The words in parentheses behind the id; without any, the test proves the whole.
    part: Option<String>,
}

impl Proof {
    fn text(&self) -> String {
        let part = self.part.as_ref().map(|part| format!(" ({part})")).unwrap_or_default();
        format!("`{}` in {}{part}", self.test, self.file)
    }
}

/// Adds what the comments of one file claim: id → tests. A comment above a test is of that test, one within of the test
/// it is in. Returns the functions that are no tests by themselves: a test must name them.
fn collect(file: &str, text: &str, proofs: &mut BTreeMap<String, Vec<Proof>>) -> Vec<String> {
    let (mut claimed, mut test, mut is_test): (Vec<(&str, Option<&str>)>, &str, bool) = (Vec::new(), "", false);
    let (mut marked, mut called) = (false, Vec::new());
    let mut settle = |claimed: &mut Vec<(&str, Option<&str>)>, test: &str, is_test: bool| {
        if !claimed.is_empty() && !is_test {
            called.push(test.to_owned());
        }
        for (id, part) in claimed.drain(..) {
            assert!(!test.is_empty(), "{file}: a proof without a test");
            let proof = Proof { test: test.to_owned(), file: file.to_owned(), part: part.map(str::to_owned) };
            proofs.entry(id.to_owned()).or_default().push(proof);
        }
    };
    for line in text.lines().map(str::trim) {
        if let Some(ids) = line.strip_prefix("// proves ") {
            claimed.extend(claims(ids));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if !line.starts_with("//") && !line.starts_with("#[") {
            if let Some((_, rest)) = line.split_once("fn ") {
                test = rest.split(['(', '<']).next().unwrap_or_default();
                is_test = std::mem::take(&mut marked);
            }
            settle(&mut claimed, test, is_test);
        }
    }
    settle(&mut claimed, test, is_test);
    called
}

/// The ids of a comment, each with the remark in parentheses behind it. Commas within parentheses part nothing.
fn claims(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut depth = 0;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    });
    let claim = |part: &'_ str| -> Option<(usize, usize)> { part.find('(').zip(part.rfind(')')) };
    parts
        .filter_map(|part| {
            let id = part.split_whitespace().next().filter(|word| is_id(word))?;
            Some((id, claim(part).and_then(|(start, end)| part.get(start + 1..end))))
        })
        .collect()
}

/// A letter and a number.
fn is_id(word: &str) -> bool {
    let (letter, number) = word.split_at_checked(1).unwrap_or_default();
    letter.chars().all(|letter| letter.is_ascii_uppercase()) && number.parse::<u8>().is_ok()
}

/// How much of a promise is proven.
fn extent(proofs: Option<&Vec<Proof>>) -> &'static str {
    match proofs {
        None => "",
        Some(proofs) if proofs.iter().any(|proof| proof.part.is_none()) => "whole",
        Some(_) => "parts",
    }
}

fn page(proofs: &BTreeMap<String, Vec<Proof>>) -> String {
    let count = |wanted: &str| PROMISES.iter().filter(|(id, _)| extent(proofs.get(*id)) == wanted).count();
    let mut text = format!(
        "## What is proven\n\nEach row is an attack (T), a fault (F) or a rule of the room gateway (W), with the tests that show \
         what happens then: of {} rows, {} are proven as a whole and {} in parts, which the parentheses name. An empty row is not proven yet.\n\n\
         | Id | Attack, fault or rule | Proven | Tests |\n|---|---|---|---|\n",
        PROMISES.len(),
        count("whole"),
        count("parts")
    );
    for (id, words) in PROMISES {
        let proven = proofs.get(*id);
        let tests = proven.into_iter().flatten().map(Proof::text).collect::<Vec<_>>().join("; ");
        text.push_str(&format!("| {id} | {words} | {} | {tests} |\n", extent(proven)));
    }
    text
}

#[test]
fn the_page_of_proofs_says_what_the_tests_say() {
    let root = root();
    let (mut files, mut proofs) = (Vec::new(), BTreeMap::new());
    sources(&root, &mut files);
    files.sort();
    let texts: Vec<(String, String)> = files
        .iter()
        .filter(|path| !path.ends_with(file!()))
        .map(|path| {
            let file = path.strip_prefix(&root).expect("it is below the root").display().to_string();
            (file, fs::read_to_string(path).expect("it can be read"))
        })
        .collect();
    let mut called = Vec::new();
    for (file, text) in &texts {
        called.extend(collect(file, text, &mut proofs).into_iter().map(|function| (file, function)));
    }
    for (file, function) in called {
        let count = |words: String| texts.iter().map(|(_, text)| text.matches(&words).count()).sum::<usize>();
        let is_used = count(function.clone()) > count(format!("fn {function}"));
        assert!(is_used, "{file}: {function} is to prove something, but is no test, and no test names it");
    }
    let page = page(&proofs);
    let kept = root.join(PAGE);
    if fs::read_to_string(&kept).is_ok_and(|text| text == page) {
        return;
    }
    fs::write(&kept, page).expect("it can be written");
    panic!("{PAGE} was not what the tests say; it has been written again: look at it and commit it");
}

#[test]
fn comments_become_rows() {
    let mut proofs = BTreeMap::new();
    let text =
        "// proves T01 (bits, all), F2\n#[test]\nfn one() {}\n\n// proves T01\n#[tokio::test]\nasync fn two() {}";
    assert_eq!(collect("a.rs", text, &mut proofs), [""; 0]);
    let texts =
        |proofs: &BTreeMap<String, Vec<Proof>>, id: &str| proofs[id].iter().map(Proof::text).collect::<Vec<_>>();
    assert_eq!(texts(&proofs, "T01"), ["`one` in a.rs (bits, all)", "`two` in a.rs"]);
    assert_eq!(texts(&proofs, "F2"), ["`one` in a.rs"]);
    let text = "#[test]\nfn three() {\n    // proves F7 (slow)\n    act();\n}\n// proves F8\nfn four() {}";
    assert_eq!(collect("b.rs", text, &mut proofs), ["four"]);
    assert_eq!(texts(&proofs, "F7"), ["`three` in b.rs (slow)"]);
    let page = page(&proofs);
    let row = "| T01 | CBC tokens with flipped bits of the IV | whole | `one` in a.rs (bits, all); `two` in a.rs |";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("| F7 | the process is told to stop | parts | `three` in b.rs (slow) |"), "{page}");
    assert!(page.contains(&format!("of {} rows, 3 are proven as a whole and 1 in parts", PROMISES.len())), "{page}");
}
