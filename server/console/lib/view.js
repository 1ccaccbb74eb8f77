// What pages are made of: Preact, its hooks, and `html` for writing trees of elements. Text that is put into a tree
// stays text, whatever it holds.

import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { Fragment, createContext, render } from "../vendor/preact.js";
export { useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";

export const html = htm.bind(h);

/** Class names, without those that do not apply. */
export const classes = (...names) => names.filter(Boolean).join(" ");
