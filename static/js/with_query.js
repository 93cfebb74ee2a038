/* Links that take the page's filters along: <a href="/t/acme/leads/export/" data-with-query>. A list changes its address as it is filtered. */
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-with-query]");
  if (link) link.search = window.location.search;
});
