/* A deck: one card at a time. Enter turns it, the arrows move, 1 says "knew it", 2 "again". */
(() => {
  'use strict';
  const { daysLeft, putOff, make, button, status } = window.coursekit;

  for (const deck of document.querySelectorAll('.ck-cards')) {
    const all = [...deck.querySelectorAll('.ck-card')];
    if (!all.length) continue;
    const left = card => daysLeft(card.dataset.lesson, card.dataset.card);
    const isDue = card => left(card) <= 0;
    let at = 0;

    const told = status('ck-told');
    const tools = make('div', { className: 'ck-tools' });
    tools.setAttribute('role', 'group');
    tools.setAttribute('aria-label', 'This card');

    const show = (next, focus) => {
      at = (next + all.length) % all.length;
      all.forEach((card, i) => { card.hidden = i !== at; card.open = false; });
      knew.disabled = again.disabled = true;
      const due = all.filter(isDue).length;
      const rest = due ? `${due} due` : `all are known for now, the next comes back in ${Math.min(...all.map(left))} day(s)`;
      told.textContent = `Card ${at + 1} of ${all.length}; ${rest}.`;
      if (focus) all[at].querySelector('summary').focus();
    };
    /** Go to the next card that is due, round the deck; to the next one if none is. */
    const goOn = () => {
      const order = all.map((card, i) => (at + 1 + i) % all.length);
      show(order.find(i => isDue(all[i])) ?? at + 1, true);
    };
    const mark = known => {
      if (!all[at].open) return;
      if (known) putOff(all[at].dataset.lesson, all[at].dataset.card);
      goOn();
    };

    const knew = button('I knew it', () => mark(true)), again = button('Again', () => mark(false));
    tools.append(button('‹ Previous', () => show(at - 1, true)), knew, again,
      button('Next ›', () => show(at + 1, true)));
    for (const card of all) {
      card.addEventListener('toggle', () => {
        if (card === all[at]) knew.disabled = again.disabled = !card.open;
      });
    }
    const KEYS = { ArrowRight: () => show(at + 1, true), ArrowLeft: () => show(at - 1, true),
      1: () => mark(true), 2: () => mark(false) };
    deck.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
      event.preventDefault();
      event.stopPropagation();
      KEYS[event.key]();
    });
    deck.append(tools, told);
    show(Math.max(0, all.findIndex(isDue)), false);
  }
})();
