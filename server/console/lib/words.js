// The API's words, for people.

/** How clients of an app authenticate. */
export const MODES = {
  app_sign: { name: "AppSign", short: "AppSign, token narrows", meaning: "Every client proves that it knows the AppSign. A token is optional and can only narrow what a user may do. For apps whose builds you trust, or while you have no backend yet." },
  token_preferred: { name: "Token preferred", short: "Token or AppSign", meaning: "A valid token or an AppSign proof lets a client in. For moving from one to the other without an interruption." },
  token_only: { name: "Token only", short: "Token", meaning: "Nothing but a valid token lets a client in. The safest: your backend decides about every user." },
};

export const ROLES = {
  viewer: { name: "Viewer", meaning: "Sees everything, changes nothing." },
  admin: { name: "Admin", meaning: "Changes apps, keys and bans, mints and revokes." },
  owner: { name: "Owner", meaning: "Everything, other people included." },
};

export const RIGHTS = {
  mint: { name: "Mint", meaning: "Make tokens." },
  introspect: { name: "Introspect", meaning: "Ask whether a token is active." },
  explain: { name: "Explain", meaning: "Ask why a login is refused." },
  revoke: { name: "Revoke", meaning: "End tokens early, ban." },
  read: { name: "Read", meaning: "Read the app's settings and records." },
  operate: { name: "Operate", meaning: "Remove users, stop streams, close rooms, speak in them." },
  admin: { name: "Administer", meaning: "Change the app itself." },
};

export const FORMATS = {
  token04_gcm: { name: "token04, AES-GCM", meaning: "Sealed and authenticated. The one to use." },
  token04_cbc: { name: "token04, AES-CBC", meaning: "For old generators: encrypted, but not authenticated." },
  token03: { name: "token03, AES-CBC", meaning: "Older still, and not authenticated either." },
};

/** Names and meanings as choices of a field. */
export const choices = (words) => Object.entries(words).map(([value, { name, meaning }]) => [value, name, meaning]);
