/* What scrolls can be reached by keyboard. The theme looks once, when the page is loaded, and then
   only at what is added: what was folded or kept back then would stay out of reach once it shows. */
(() => {
  'use strict';
  const scrollable = 'pre, .cell_output > .output, .pst-scrollable-table-container';
  const watch = new ResizeObserver(entries => entries.forEach(({ target }) => {
    const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
    target.tabIndex = scrolls ? 0 : -1;
  }));
  document.querySelectorAll(scrollable).forEach(element => watch.observe(element));
})();
