// Everything that pages are put together from.

export * from "./button.js";
export * from "./dialog.js";
export * from "./form.js";
export * from "./icons.js";
export * from "./page.js";
export * from "./states.js";
export * from "./table.js";
export * from "./text.js";
export * from "./toast.js";
