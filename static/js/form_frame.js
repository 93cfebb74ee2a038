/*
  Inside the frame in which another site shows a form: tells the page around it how high it is, and that it was sent. Nothing that
  was typed leaves the frame this way.
*/
const tell = (message) => window.parent.postMessage({ source: "leadsys-form", ...message }, "*");
const main = document.getElementById("main");

if (window.parent !== window) {
  new ResizeObserver(() => tell({ height: Math.ceil(main.getBoundingClientRect().height) })).observe(main);
  const sent = document.querySelector("[data-form-sent]");
  if (sent) tell({ sent: true, redirect: sent.dataset.redirect ?? "" });
}
