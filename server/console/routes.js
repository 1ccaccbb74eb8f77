// Every page and where it is. Pages are loaded when they are first opened.
//
// A page is a module with a default component, which gets `params` (the names in the path), `query`, and below
// `/apps/{appId}` also `app` and `setApp`; and with a `title`. `public` pages are for those who are not signed in;
// `needs` is the role without which there is nothing to see.

export const routes = [
  { path: "/sign-in", load: () => import("./pages/sign-in.js"), public: true },
  { path: "/setup", load: () => import("./pages/setup.js"), public: true },

  { path: "/", load: () => import("./pages/apps.js") },
  { path: "/new-app", load: () => import("./pages/new-app.js"), needs: "admin" },
  { path: "/people", load: () => import("./pages/people.js"), needs: "owner" },
  { path: "/account", load: () => import("./pages/account.js") },
  { path: "/audit", load: () => import("./pages/audit.js"), needs: "viewer" },
  { path: "/refusals", load: () => import("./pages/refusals.js"), needs: "viewer" },
  { path: "/statistics", load: () => import("./pages/statistics.js"), needs: "viewer" },

  { path: "/apps/{appId}", load: () => import("./pages/overview.js") },
  { path: "/apps/{appId}/live", load: () => import("./pages/live.js") },
  { path: "/apps/{appId}/workbench", load: () => import("./pages/workbench.js") },
  { path: "/apps/{appId}/refusals", load: () => import("./pages/refusals.js") },
  { path: "/apps/{appId}/bans", load: () => import("./pages/bans.js") },
  { path: "/apps/{appId}/audit", load: () => import("./pages/audit.js") },
  { path: "/apps/{appId}/app-sign", load: () => import("./pages/app-sign.js") },
  { path: "/apps/{appId}/secrets", load: () => import("./pages/secrets.js") },
  { path: "/apps/{appId}/policies", load: () => import("./pages/policies.js") },
  { path: "/apps/{appId}/keys", load: () => import("./pages/keys.js") },
  { path: "/apps/{appId}/webhooks", load: () => import("./pages/webhooks.js") },
  { path: "/apps/{appId}/webhooks/{endpointId}", load: () => import("./pages/webhook.js") },
];
