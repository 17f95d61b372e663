// The formula editors: they colour what is typed, mark what is wrong, and complete names by keyboard or pointer.
(() => {
  const boxes = [...document.querySelectorAll("[data-formula]")];
  if (!boxes.length) return;
  const JOINS = ["and", "or", "not", "if", "then", "else", "between", "in"];
  const SECTIONS = ["enter", "exit", "short", "cover", "stop", "target"];
  const TOKENS = /(#[^\n]*)|("[^"\n]*"?|'[^'\n]*'?)|(\d+(?:\.\d*)?|\.\d+)|([A-Za-z_]\w*)|([\s\S])/g;
  let words = [];
  let known = new Map();

  const span = (kind, text) => {
    const element = document.createElement("span");
    element.className = kind;
    element.textContent = text;
    return element;
  };
  const kindOf = (note, text, digits, name) => {
    if (note) return "note";
    if (text || digits) return "digit";
    if (!name) return "";
    const lower = name.toLowerCase();
    return JOINS.includes(lower) || SECTIONS.includes(lower) ? "join" : known.has(lower) ? "word" : "";
  };
  const explained = (word) => {
    const code = document.createElement("code");
    code.textContent = word.shown;
    const help = document.createElement("small");
    help.textContent = word.help;
    return [code, help];
  };
  // What the text itself names: `fast = ...`.
  const named = (text) =>
    [...text.matchAll(/(?:^|[\n;])[ \t]*([A-Za-z_]\w*)[ \t]*=(?!=)/g)].map(([, name]) => ({
      word: name.toLowerCase(), shown: name, help: "Named in this formula",
    }));
  // The name before the innermost bracket that is open where the caret stands.
  const callee = (before) => {
    let depth = 0;
    for (let place = before.length - 1; place >= 0; place -= 1) {
      if (before[place] === ")") depth += 1;
      else if (before[place] === "(" && depth > 0) depth -= 1;
      else if (before[place] === "(") return before.slice(0, place).match(/[A-Za-z_]\w*$/)?.[0].toLowerCase() ?? "";
    }
    return "";
  };

  const edit = (box) => {
    const area = box.querySelector("textarea");
    const shown = box.querySelector("pre");
    const list = box.querySelector(".completions");
    const signature = document.querySelector(`[data-signature-of="${area.id}"]`);
    let wrong = null;
    let chosen = 0;
    let found = [];

    const paint = () => {
      const parts = [];
      let line = 1;
      let column = 1;
      for (const [whole, note, text, digits, name] of area.value.matchAll(TOKENS)) {
        let kind = kindOf(note, text, digits, name);
        if (wrong && line === wrong.line && column <= wrong.column && wrong.column < column + whole.length) kind += " wrong";
        parts.push(kind ? span(kind, whole) : document.createTextNode(whole));
        if (whole === "\n") { line += 1; column = 1; } else { column += whole.length; }
      }
      shown.replaceChildren(...parts, document.createTextNode("\n"));
      shown.scrollTo(area.scrollLeft, area.scrollTop);
    };
    const before = () => area.value.slice(0, area.selectionStart);
    const begun = () => before().match(/[A-Za-z_]\w*$/)?.[0] ?? "";
    const close = () => {
      list.hidden = true;
      found = [];
      area.removeAttribute("aria-activedescendant");
    };
    const explain = () => {
      const word = known.get(callee(before()));
      signature.hidden = !word;
      if (word) signature.replaceChildren(...explained(word));
    };
    const choose = (index) => {
      chosen = (index + found.length) % found.length;
      [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === chosen)));
      area.setAttribute("aria-activedescendant", list.children[chosen].id);
      list.children[chosen].scrollIntoView({ block: "nearest" });
    };
    const take = () => {
      const start = begun();
      const word = found[chosen];
      const isCall = word.shown.includes("(");
      area.setRangeText(word.word + (isCall ? "()" : ""), area.selectionStart - start.length, area.selectionStart, "end");
      if (isCall && !word.shown.endsWith("()")) area.setSelectionRange(area.selectionStart - 1, area.selectionStart - 1);
      close();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const item = (word, place) => {
      const element = document.createElement("li");
      element.id = `${list.id}_${place}`;
      element.setAttribute("role", "option");
      element.append(...explained(word));
      element.addEventListener("mousedown", (event) => { event.preventDefault(); choose(place); take(); });
      return element;
    };
    // `isAsked`: by Ctrl+Space, which shows what there is however little has been typed.
    const offer = (isAsked) => {
      const start = begun().toLowerCase();
      const all = [...named(area.value), ...words];
      const fitting = all.filter((each) => each.word.startsWith(start) && each.word !== start);
      found = start.length < 2 && !isAsked ? [] : fitting.slice(0, isAsked ? 200 : 8);
      if (!found.length) { close(); return; }
      list.replaceChildren(...found.map(item));
      const lines = before().split("\n");
      list.style.setProperty("left", `${Math.max(0, Math.min(14 + lines.at(-1).length * 8.4 - area.scrollLeft, box.clientWidth - 280))}px`);
      list.style.setProperty("top", `${12 + lines.length * 22.4 - area.scrollTop}px`);
      list.hidden = false;
      choose(0);
    };
    area.setAttribute("aria-autocomplete", "list");
    area.setAttribute("aria-controls", list.id);
    area.setAttribute("aria-describedby", box.dataset.formula);
    area.addEventListener("input", (event) => { wrong = null; paint(); explain(); if (event.isTrusted) offer(false); });
    area.addEventListener("scroll", () => shown.scrollTo(area.scrollLeft, area.scrollTop));
    area.addEventListener("blur", close);
    area.addEventListener("click", explain);
    area.addEventListener("keyup", explain);
    area.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey) {
        if (event.key === "Enter") area.form.requestSubmit();
        else if (event.key === " ") { offer(true); event.preventDefault(); }
        return;
      }
      // The bracket that a completion has closed is typed over.
      if (event.key === ")" && area.value[area.selectionStart] === ")" && area.selectionStart === area.selectionEnd) {
        area.setSelectionRange(area.selectionStart + 1, area.selectionStart + 1);
        event.preventDefault();
        return;
      }
      if (list.hidden) return;
      const steps = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in steps) choose(chosen + steps[event.key]);
      else if (event.key === "Enter" || event.key === "Tab") take();
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    });
    box.classList.add("is-lit");
    return () => {
      const check = document.getElementById(box.dataset.formula);
      const problem = check?.querySelector("[data-line]");
      wrong = problem ? { line: Number(problem.dataset.line), column: Number(problem.dataset.column) } : null;
      area.setAttribute("aria-invalid", String(Boolean(check?.querySelector(".formula-problem"))));
      paint();
    };
  };

  const editors = boxes.map(edit);
  const paintAll = () => editors.forEach((paint) => paint());
  document.addEventListener("htmx:after:swap", paintAll);
  paintAll();
  fetch(boxes[0].dataset.words)
    .then((answer) => answer.json())
    .then((answer) => {
      words = answer.words;
      known = new Map(words.map((each) => [each.word, each]));
      paintAll();
    });
})();
