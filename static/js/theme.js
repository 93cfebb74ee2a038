/*
  Sets the theme before the first paint. <html data-theme-choice="system|light|dark"> comes from the server; "system"
  follows the device, also when it changes while the page is open. A classic script, loaded in <head> without defer.
*/
(() => {
  const root = document.documentElement;
  const device = window.matchMedia("(prefers-color-scheme: dark)");

  const apply = () => {
    const choice = root.dataset.themeChoice || "system";
    const theme = choice === "system" ? (device.matches ? "dark" : "light") : choice;
    if (root.dataset.bsTheme !== theme) {
      root.dataset.bsTheme = theme;
      root.dispatchEvent(new CustomEvent("leadsys:theme", { bubbles: true, detail: { theme } }));
    }
  };

  apply();
  device.addEventListener("change", apply);
  new MutationObserver(apply).observe(root, { attributeFilter: ["data-theme-choice"] });
})();
