// The list of what happened, newest first, read out by screen readers.

const list = document.getElementById("log");
const LONGEST = 100;

/** Adds a line; `kind` is `good`, `warned`, `refused` or nothing. */
export function say(text, kind = "", code = "") {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const what = document.createElement("span");
  what.textContent = text;
  what.className = kind;
  if (code) {
    const name = document.createElement("code");
    name.textContent = ` ${code}`;
    what.append(name);
  }
  item.append(time, what);
  list.prepend(item);
  while (list.children.length > LONGEST) list.lastChild.remove();
}
