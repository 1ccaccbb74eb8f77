// The appearance that was chosen, before anything is painted: no page flashes in the other first.
"use strict";

{
  const chosen = localStorage.getItem("roompass-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
