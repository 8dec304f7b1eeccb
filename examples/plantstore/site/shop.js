// What a shop does with the chat beyond its one line: buttons that open it, and questions to begin with.

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-open], [data-ask]");
  if (!button || !window.Parley) return;
  if (button.dataset.ask) Parley.ask(button.dataset.ask);
  else Parley.open();
});
