/* What a learner has done, in this browser: for each lesson the text of the notebooks' own progress
   file (coursekit/exercises/_progress.py). Entries that are not known here stay in it. Where storage
   is refused (private windows, file:// in some browsers) it lasts for the page. */
window.coursekit = (() => {
  'use strict';
  const KINDS = ['exercises', 'predictions', 'quiz', 'cards', 'decision'];
  const page = {};
  const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value);

  /** Parse the text of a progress file; null if it is none. */
  const parse = text => {
    let data;
    try { data = JSON.parse(text); } catch { return null; }
    return isObject(data) && KINDS.every(kind => !(kind in data) || isObject(data[kind])) ? data : null;
  };

  const read = lesson => {
    let text = page[lesson];
    try { text = localStorage.getItem(`coursekit/${lesson}`) ?? text; } catch { /* this page only */ }
    const data = (text && parse(text)) || {};
    for (const kind of KINDS) data[kind] ??= {};
    return data;
  };

  const write = (lesson, data) => {
    page[lesson] = JSON.stringify(data, null, 1);
    try { localStorage.setItem(`coursekit/${lesson}`, page[lesson]); } catch { /* this page only */ }
  };

  /** Set one entry; what another tab wrote meanwhile stays. */
  const set = (lesson, kind, name, value) => {
    const data = read(lesson);
    data[kind][name] = value;
    write(lesson, data);
  };

  /** Take over a progress file: what it says counts, what only this browser knows stays. */
  const takeOver = (lesson, file) => {
    const data = read(lesson), merged = { ...data, ...file };
    for (const kind of KINDS) merged[kind] = { ...data[kind], ...file[kind] };
    write(lesson, merged);
  };

  // Cards: one that was known comes back after 1, 3 and 7 days, as in the notebooks.
  const DAYS = [1, 3, 7];
  const iso = date => [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map(part => String(part).padStart(2, '0')).join('-');
  const entry = (lesson, question) => {
    const found = read(lesson).cards[question];
    return isObject(found) ? found : {};
  };

  /** In how many days a card is due; one that was noted under a wrong clock is now. */
  const daysLeft = (lesson, question) => {
    const { due } = entry(lesson, question);
    if (typeof due !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(due)) return 0;
    const days = Math.round((Date.parse(due) - Date.parse(iso(new Date()))) / 86400000);
    return days <= DAYS.at(-1) ? days || 0 : 0;
  };

  const putOff = (lesson, question) => {
    if (daysLeft(lesson, question) > 0) return;  // twice on one day counts once
    const { step } = entry(lesson, question);
    const known = Number.isInteger(step) && step > 0 ? Math.min(step, DAYS.length - 1) : 0;
    const due = new Date();
    due.setDate(due.getDate() + DAYS[known]);
    set(lesson, 'cards', question, { step: known + 1, due: iso(due) });
  };

  /** Make an element, with its properties and children. */
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const button = (text, act) => {
    const made = make('button', { type: 'button', className: 'ck-button', textContent: text });
    made.addEventListener('click', act);
    return made;
  };
  const status = name => {
    const made = make('p', { className: name });
    made.setAttribute('role', 'status');
    return made;
  };

  return { parse, read, set, takeOver, daysLeft, putOff, make, button, status };
})();

// MyST-NB names every fold "Toggle hidden content", whatever stands on it (WCAG 2.5.3).
document.querySelectorAll('summary[aria-label="Toggle hidden content"]')
  .forEach(summary => summary.removeAttribute('aria-label'));
document.documentElement.classList.add('ck-script');
// Sphinx's search reads the pages it finds, to quote them; a page in a folder may not.
if (location.protocol === 'file:') DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// The page of progress: a row for each lesson, files in and out.
(() => {
  'use strict';
  const place = document.getElementById('ck-progress');
  if (!place) return;
  const { parse, read, takeOver, daysLeft, make, button, status } = window.coursekit;
  const lessons = JSON.parse(document.getElementById('ck-lessons').textContent);
  const told = status('ck-told');
  const rows = make('tbody');

  const save = ({ slug }) => {
    const text = JSON.stringify(read(slug), null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    const link = make('a', { href: address, download: `${slug}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    told.textContent = `Saved as ${slug}.json.`;
  };

  const fill = () => rows.replaceChildren(...lessons.map(lesson => {
    const { slug, title, exercises, quiz, cards } = lesson, data = read(slug);
    const done = exercises.filter(name => data.exercises[name]?.done === true).length;
    const right = Object.keys(quiz).filter(name => data.quiz[name] === quiz[name]).length;
    const due = cards.filter(question => daysLeft(slug, question) <= 0).length;
    const out = button('Save', () => save(lesson));
    out.setAttribute('aria-label', `Save ${slug}.json`);
    const name = make('th', { scope: 'row' }, make('a', { href: `lessons/${slug}.html`, textContent: title }));
    return make('tr', {}, name,
      make('td', { textContent: `${done} of ${exercises.length}` }),
      make('td', { textContent: `${right} of ${Object.keys(quiz).length}` }),
      make('td', { textContent: `${due} of ${cards.length}` }), make('td', {}, out));
  }));

  const takeFiles = async files => {
    const taken = [], refused = [];
    for (const file of files) {
      const slug = file.name.replace(/( ?\(\d+\))?\.json$/, ''), data = parse(await file.text());
      const known = data && lessons.some(lesson => lesson.slug === slug);
      if (known) takeOver(slug, data);
      (known ? taken : refused).push(file.name);
    }
    told.textContent = [taken.length && `Taken over: ${taken.join(', ')}.`,
      refused.length && `Not a progress file of a lesson: ${refused.join(', ')}.`].filter(Boolean).join(' ');
    fill();
  };

  const chooser = make('input', { type: 'file', multiple: true, accept: '.json', className: 'ck-button' });
  chooser.addEventListener('change', () => takeFiles(chooser.files));
  const head = make('thead', {}, make('tr', {}, ...['Lesson', 'Exercises done', 'Quiz right', 'Cards due', 'To the notebooks']
    .map(text => make('th', { scope: 'col', textContent: text }))));
  const table = make('div', { className: 'ck-scroll' }, make('table', { className: 'ck-progress' }, head, rows));
  table.tabIndex = 0;
  table.setAttribute('role', 'group');
  table.setAttribute('aria-label', 'Progress in each lesson');
  place.append(make('p', {}, make('label', {}, 'Files of your notebooks: ', chooser)), told, table);
  fill();
})();
