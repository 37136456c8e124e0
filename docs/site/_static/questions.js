/* Questions of a lesson: predictions and the quiz. An arrow key moves the choice, as in every group
   of radio buttons; only the button or Enter answers, or the arrows would walk through the wrong
   answers. */
(() => {
  'use strict';
  const { read, set, make, button, status } = window.coursekit;
  const given = ({ lesson, kind, name }) => read(lesson)[kind][name];

  const score = section => {
    const all = [...section.querySelectorAll('.ck-question')];
    const letters = all.map(question => given(question.dataset));
    const right = all.filter((question, i) => letters[i] === question.dataset.answer).length;
    const open = letters.filter(letter => letter === undefined).length;
    section.querySelector('.ck-score').textContent =
      `${right} of ${all.length} right` + (open ? `, ${open} open` : '');
  };

  /** Keep the outcome of a prediction back until it is made; return what shows it. */
  const keepBack = ({ name }) => {
    const folds = [...document.querySelectorAll(`.tag_after-${CSS.escape(name.replaceAll('_', '-'))} details.hide`)];
    const waits = folds.map(fold => {
      const note = make('p', { className: 'ck-waits', textContent: 'What happened is shown once you have predicted.' });
      fold.hidden = true;
      fold.before(note);
      return note;
    });
    return () => {
      waits.forEach(note => note.remove());
      folds.forEach(fold => { fold.hidden = false; fold.open = true; });
    };
  };

  for (const question of document.querySelectorAll('.ck-question')) {
    const { lesson, kind, name, answer } = question.dataset;
    const reveal = kind === 'predictions' ? keepBack(question.dataset) : () => {};
    const verdict = status('ck-verdict');
    const options = [...question.querySelectorAll('.ck-option')].map(row => {
      const words = row.querySelector('.ck-words'), reason = row.querySelector('.ck-reason');
      const input = make('input', { type: 'radio', name: `${lesson}-${name}`, value: row.dataset.letter });
      const label = make('label');
      words.replaceWith(label);
      label.append(input, words);
      reason.hidden = true;
      return { row, input, reason, letter: row.dataset.letter };
    });

    const judge = () => {
      const chosen = options.find(option => option.input.checked);
      if (!chosen) { verdict.textContent = 'Choose one first.'; return; }
      const right = chosen.letter === answer, told = right || kind === 'predictions';
      for (const { row, reason, letter } of options) {
        row.classList.toggle('ck-right', letter === answer && told);
        row.classList.toggle('ck-wrong', letter === chosen.letter && !right);
        reason.hidden = !told || letter === chosen.letter;  // its own stands in the verdict
      }
      const because = reason => [...reason.querySelector('span').cloneNode(true).childNodes];
      const wrong = kind === 'quiz' ? 'Not right yet' : 'Not this time';
      verdict.replaceChildren(make('b', { textContent: `${right ? '✓ Correct' : `✗ ${wrong}`}: (${chosen.letter}). ` }),
        ...because(chosen.reason));
      if (!right && told) {
        const best = options.find(option => option.letter === answer);
        verdict.append(make('br'), make('b', { textContent: `It is (${answer}). ` }), ...because(best.reason));
        best.reason.hidden = true;
      }
      reveal();
    };
    const give = () => {
      judge();
      const chosen = options.find(option => option.input.checked);
      if (chosen) set(lesson, kind, name, chosen.letter);
      if (kind === 'quiz') score(question.closest('.ck-quiz'));
    };

    question.append(button(kind === 'quiz' ? 'Answer' : 'Compare', give), verdict);
    for (const { input } of options) {
      input.addEventListener('keydown', event => {
        if (event.key === 'Enter') { event.preventDefault(); give(); }
      });
    }
    const before = options.find(option => option.letter === given(question.dataset));
    if (before) { before.input.checked = true; judge(); }
  }
  document.querySelectorAll('.ck-quiz').forEach(score);
})();
