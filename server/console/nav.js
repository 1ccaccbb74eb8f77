// What stands in the navigation: one line a page. `at` is below `/apps/{appId}` in the app's part.

export const everywhere = [
  { label: "Apps", at: "/", icon: "apps" },
  { label: "People", at: "/people", icon: "people", needs: "owner" },
  { label: "Refusals", at: "/refusals", icon: "refusals", needs: "viewer" },
  { label: "Statistics", at: "/statistics", icon: "statistics", needs: "viewer" },
  { label: "Audit trail", at: "/audit", icon: "audit", needs: "viewer" },
];

export const inApp = [
  {
    items: [
      { label: "Overview", at: "", icon: "overview" },
      { label: "Live", at: "/live", icon: "live" },
      { label: "Refusals", at: "/refusals", icon: "refusals" },
      { label: "Token workbench", at: "/workbench", icon: "workbench" },
      { label: "Revocations and bans", at: "/bans", icon: "bans" },
      { label: "Audit trail", at: "/audit", icon: "audit" },
    ],
  },
  {
    label: "Access",
    items: [
      { label: "AppSign", at: "/app-sign", icon: "sign" },
      { label: "Server secrets", at: "/secrets", icon: "ring" },
      { label: "Formats and policies", at: "/policies", icon: "sliders" },
      { label: "Backend keys", at: "/keys", icon: "key" },
      { label: "Webhooks", at: "/webhooks", icon: "hook" },
    ],
  },
];
