/*
  On the page of another site: <script src="https://…/static/js/embed.js" data-form="ID" async></script> puts the form there,
  in a frame as high as the form, and passes on from where the page's visitor came (utm_source, utm_medium, utm_campaign, the
  page, what led to it). Its address is what sites keep: it stays, and what it does to a page stays as it is.
*/
(() => {
  const script = document.currentScript;
  const ours = new URL(script.src).origin;
  const parameters = new URLSearchParams({ embed: "1", page: location.href, referrer: document.referrer });
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (["utm_source", "utm_medium", "utm_campaign"].includes(name)) parameters.set(name, value.slice(0, 200));
  }
  const frame = document.createElement("iframe");
  frame.src = `${ours}/f/${encodeURIComponent(script.dataset.form)}/?${parameters}`;
  frame.title = script.dataset.title ?? "";
  frame.style.cssText = "width:100%;height:30rem;border:0;color-scheme:light";
  script.after(frame);

  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== ours || source !== frame.contentWindow || data?.source !== "leadsys-form") return;
    if (Number.isFinite(data.height)) frame.style.height = `${data.height}px`;
    if (!data.sent) return;
    frame.dispatchEvent(new CustomEvent("leadsys:sent", { bubbles: true }));
    if (typeof data.redirect === "string" && data.redirect.startsWith("https://")) location.assign(data.redirect);
  });
})();
