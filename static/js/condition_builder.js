/*
  Edits a condition, the JSON tree of leads.conditions, and writes it into a hidden input. Markup: components/
  condition_builder.html; its words and rows are <template>s in components/condition_builder_assets.html.

  Reads: the vocabulary (builder_vocabulary), the tree (or nothing), the faults found by the server, each with its path
  ("all[0].any[1].value"). Writes: the tree without rows that were left blank and groups that became empty; "" when nothing is
  left. A row that was begun and not finished stops the form and says what is missing. Every part is a plain field or button,
  so the keyboard works as anywhere; Alt and an arrow moves a row or group, into and out of groups too; after adding, removing
  or moving, the focus goes to the nearest part. The sentence and the count of leads are the server's (data-cond-asks).
  Inside a closed <details> a builder waits until it is opened.
*/
const KINDS = ["all", "any", "none"];
const NUMBERS = new Set(["integer", "decimal", "money"]);
const DATES = new Set(["date", "datetime"]);

const clone = (name) =>
  document.querySelector(`template[data-cond-template="${name}"]`).content.firstElementChild.cloneNode(true);
const isBlank = (value) => value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
const words = () => JSON.parse(document.getElementById("condition-builder-texts").textContent);
const fill = (sentence, values) => sentence.replace(/%\((\w+)\)s/g, (_all, name) => values[name]);
const WAIT_MS = 300;

let lastId = 0;

class Builder {
  constructor(element) {
    this.element = element;
    this.place = element.querySelector("[data-cond-root]");
    this.output = element.querySelector("[data-cond-output]");
    this.sentence = element.querySelector("[data-cond-sentence]");
    const vocabulary = element.querySelector("[data-cond-vocabulary] script") ?? document.getElementById("condition-vocabulary");
    this.vocabulary = JSON.parse(vocabulary.textContent);
    this.faults = JSON.parse(element.querySelector("[data-cond-errors] script").textContent);
    this.showsSpeed = element.dataset.condSpeed === "true";
    this.isAboutEvents = element.dataset.condSubject === "event";
    this.limits = { depth: 5, leaves: 100, ...this.vocabulary.limits };
    this.texts = words();
    this.root = this.readRoot(this.output.value ? JSON.parse(this.output.value) : null);
    const tree = this.write(this.root);
    // What the page says of it already.
    this.said = this.sentence.textContent ? (tree ? JSON.stringify(tree) : "") : null;
    this.render();
    this.output.form?.addEventListener("submit", (event) => this.check(event), true);
    this.place.addEventListener("keydown", (event) => this.pressed(event));
    element.querySelector("[data-cond-count]")?.addEventListener("click", () => this.count());
  }

  // The tree as nodes: groups {id, kind, children}, leaves {id, fact, op, value, event, days, where}.

  readRoot(document_) {
    if (document_ && KINDS.some((kind) => kind in document_)) return this.read(document_, "");
    // A lone question is shown inside a group and written alone again; its faults keep the path it was sent with.
    const root = { id: ++lastId, kind: "all", children: [], path: "all", wasAlone: Boolean(document_) };
    root.children.push(document_ ? this.read(document_, "") : this.blank());
    return root;
  }

  read(document_, path) {
    const kind = KINDS.find((each) => each in document_);
    if (kind) {
      const inside = path ? `${path}.${kind}` : kind;
      const children = document_[kind].map((part, index) => this.read(part, `${inside}[${index}]`));
      return { id: ++lastId, kind, children, path: inside };
    }
    const where = document_.where ? this.readWhere(document_.where, path ? `${path}.where` : "where") : null;
    return { id: ++lastId, ...document_, where, path };
  }

  readWhere(document_, path) {
    if (KINDS.some((kind) => kind in document_)) return this.read(document_, path);
    return { id: ++lastId, kind: "all", children: [this.read(document_, path)], path, wasAlone: true };
  }

  blank() {
    return { id: ++lastId, fact: "", op: "", value: null, where: null };
  }

  write(node) {
    if (node.kind) {
      const parts = node.children.map((child) => this.write(child)).filter((part) => part !== null);
      if (node.wasAlone && node.kind === "all" && parts.length === 1) return parts[0];
      return parts.length ? { [node.kind]: parts } : null;
    }
    if (!node.fact) return null;
    const leaf = { fact: node.fact };
    const fact = this.fact(node);
    if (fact?.counts_events) {
      if (node.event) leaf.event = node.event;
      if (!isBlank(node.days)) leaf.days = node.days;
      const where = node.where && this.write(node.where);
      if (where) leaf.where = where;
    }
    leaf.op = node.op;
    const arity = this.operator(node)?.arity;
    if (arity !== 0) leaf.value = arity === "list" ? node.value ?? [] : node.value;
    return leaf;
  }

  // What the vocabulary says about a leaf.

  factsOf(node) {
    return node.inWhere ? this.vocabulary.event_facts ?? [] : this.vocabulary.facts;
  }

  familiesOf(node) {
    return (node.inWhere ? this.vocabulary.event_families : this.vocabulary.families) ?? [];
  }

  family(node) {
    return this.familiesOf(node).find((family) => node.fact.startsWith(family.prefix));
  }

  fact(node) {
    const listed = this.factsOf(node).find((fact) => fact.key === node.fact);
    if (listed || !node.fact) return listed;
    const family = this.family(node);
    const name = family ? node.fact.slice(family.prefix.length) : node.fact;
    return { key: node.fact, label: name, type: family ? "property" : "text", choices: null, fast: false };
  }

  operators(node) {
    const fact = this.fact(node);
    if (!fact) return [];
    const all = this.vocabulary.operators[fact.type] ?? [];
    return fact.always_known ? all.filter(({ op }) => op !== "is_known" && op !== "is_unknown") : all;
  }

  operator(node) {
    return this.operators(node).find(({ op }) => op === node.op);
  }

  missing(node) {
    const operator = this.operator(node);
    const family = this.family(node);
    if (family && node.fact === family.prefix) return this.texts.nameMissing;
    if (!operator) return this.texts.comparisonMissing;
    if (operator.arity === 0) return "";
    const values = operator.arity === 1 ? [node.value] : node.value ?? [];
    // A rule may wait for its list; a filter that asks for nothing is none.
    const wanted = operator.arity === "list" ? Number(this.showsSpeed) : operator.arity;
    return values.length < wanted || values.some(isBlank) ? this.texts.valueMissing : "";
  }

  leaves(node = this.root) {
    if (!node.kind) return [node, ...(node.where ? this.leaves(node.where) : [])];
    return node.children.flatMap((child) => this.leaves(child));
  }

  // Changes.

  changed() {
    const tree = this.write(this.root);
    this.output.value = tree ? JSON.stringify(tree) : "";
    this.say(tree);
    this.output.dispatchEvent(new Event("change", { bubbles: true }));
  }

  say(tree) {
    const written = this.output.value;
    if (written === this.said) return;
    this.said = written;
    clearTimeout(this.saying);
    const counted = this.element.querySelector("[data-cond-counted]");
    if (counted) counted.textContent = "";
    if (!tree) this.sentence.textContent = this.element.dataset.condNothing || this.texts.nothing;
    else if (this.leaves().some((leaf) => leaf.fact && this.missing(leaf))) this.sentence.textContent = this.texts.unfinished;
    else this.saying = setTimeout(() => this.ask().then((answer) => this.hear(written, answer)), WAIT_MS);
  }

  hear(written, answer) {
    if (written !== this.output.value) return;
    this.sentence.textContent = answer.sentence || answer.errors?.[0]?.message || this.texts.unreachable;
  }

  async ask(more = {}) {
    if (!this.element.dataset.condAsks) return {};
    const body = new URLSearchParams({ condition: this.output.value, subject: this.element.dataset.condSubject, ...more });
    const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    try {
      const response = await fetch(this.element.dataset.condAsks, { method: "POST", body, headers });
      return response.ok ? await response.json() : {};
    } catch {
      return {};
    }
  }

  async count() {
    const place = this.element.querySelector("[data-cond-counted]");
    const written = this.output.value;
    place.textContent = this.texts.counting;
    const answer = await this.ask({ count: "1" });
    if (written !== this.output.value) return;
    place.textContent = answer.count ?? answer.errors?.[0]?.message ?? this.texts.unreachable;
    if (!answer.url) return;
    const link = Object.assign(document.createElement("a"), { href: answer.url, textContent: answer.see, target: "_blank" });
    place.append(" · ", link);
  }

  restructured(focus) {
    this.render();
    this.place.querySelector(`[data-cond-focus="${focus}"]`)?.focus();
  }

  chooseFact(node, key) {
    const before = this.fact(node)?.type;
    node.fact = key;
    node.fault = "";
    delete node.path;
    if (this.fact(node)?.type !== before || !this.operator(node)) {
      node.op = this.operators(node)[0]?.op ?? "";
      node.value = null;
    } else if (this.fact(node)?.choices) {
      node.value = null;
    }
    if (this.fact(node)?.counts_events && node.days === undefined) {
      node.op = "gte";
      node.value = 1;
      node.days = 30;
    }
    this.restructured(`${node.id}:${this.family(node) ? "name" : "fact"}`);
  }

  chooseOperator(node, op) {
    const before = this.operator(node);
    node.op = op;
    const after = this.operator(node);
    if (before?.arity !== after?.arity || before?.days !== after?.days) {
      const first = Array.isArray(node.value) ? node.value[0] : node.value;
      if (before?.days !== after?.days || after.arity === 0) node.value = null;
      else if (after.arity === "list") node.value = isBlank(first) ? [] : [first];
      else if (after.arity === 2) node.value = [first ?? null, null];
      else node.value = first ?? null;
    }
    this.restructured(`${node.id}:op`);
  }

  add(group, node) {
    group.children.push(node);
    this.restructured(node.kind ? `${node.children[0].id}:fact` : `${node.id}:fact`);
  }

  remove(group, node) {
    const index = group.children.indexOf(node);
    group.children.splice(index, 1);
    const next = group.children[Math.min(index, group.children.length - 1)];
    this.restructured(next ? `${next.id}:${next.kind ? "kind" : "fact"}` : `${group.id}:add`);
  }

  // Alt and an arrow, or the buttons: one place on, into a group that stands there, out of the group at its end.
  move(node, parent, step) {
    const index = parent.children.indexOf(node);
    const next = parent.children[index + step];
    const outer = this.parentOf(parent);
    let [group, place] = [parent, index + step];
    if (next?.kind && this.depthOf(next) + this.heightOf(node) <= this.limits.depth) {
      [group, place] = [next, step > 0 ? 0 : next.children.length];
    } else if (!next) {
      if (!outer) return;
      [group, place] = [outer, outer.children.indexOf(parent) + (step > 0 ? 1 : 0)];
    }
    parent.children.splice(index, 1);
    group.children.splice(place, 0, node);
    if (!parent.children.length && outer) outer.children.splice(outer.children.indexOf(parent), 1);
    this.restructured(`${node.id}:${node.kind ? "kind" : "fact"}`);
    const told = fill(this.texts.movedTo, { place: group.children.indexOf(node) + 1, count: group.children.length });
    document.getElementById("live-region").textContent = told;
  }

  pressed(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.altKey) return;
    const id = Number(event.target.closest("[data-node]")?.dataset.node);
    const node = this.nodes().find((each) => each.id === id);
    const parent = node && this.parentOf(node);
    if (!parent) return;
    event.preventDefault();
    this.move(node, parent, step);
  }

  nodes(node = this.root) {
    return [node, ...(node.children ?? []).flatMap((child) => this.nodes(child)), ...(node.where ? this.nodes(node.where) : [])];
  }

  parentOf(node) {
    return this.nodes().find((each) => each.children?.includes(node));
  }

  depthOf(group) {
    const parent = this.parentOf(group);
    return parent ? this.depthOf(parent) + 1 : 1;
  }

  // How many groups stand inside each other in a node, those of its events included.
  heightOf(node) {
    const inside = [...(node.children ?? []), ...(node.where ? [node.where] : [])].map((each) => this.heightOf(each));
    return Math.max(0, ...inside) + (node.kind ? 1 : 0);
  }

  check(event) {
    if (!this.element.isConnected) return;
    const wrong = this.leaves().filter((leaf) => leaf.fact && this.missing(leaf));
    for (const leaf of this.leaves()) leaf.fault = leaf.fact ? this.missing(leaf) : "";
    if (!wrong.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    for (let around = this.element.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
    this.restructured(`${wrong[0].id}:fact`);
  }

  // The page.

  render() {
    for (const select of this.place.querySelectorAll("select")) select.tomselect?.destroy();
    this.place.replaceChildren(this.group(this.root, { parent: null, depth: 1, inWhere: this.isAboutEvents, isRoot: true }));
    this.place.dispatchEvent(new CustomEvent("leadsys:enhance", { bubbles: true }));
    this.changed();
  }

  group(node, { parent, depth, inWhere, isRoot = false, remove = () => this.remove(parent, node) }) {
    const element = clone("group");
    element.dataset.kind = node.kind;
    if (parent) element.dataset.node = node.id;
    this.arrows(element.querySelector("[data-cond-moves]"), node, parent);
    // The group's own parts, looked up before its children bring theirs.
    const [kind, removal, list, add, addGroup] = ["kind", "remove-group", "children", "add", "add-group"].map((part) =>
      element.querySelector(`[data-cond-${part}]`),
    );
    kind.value = node.kind;
    kind.dataset.condFocus = `${node.id}:kind`;
    kind.addEventListener("change", () => {
      node.kind = kind.value;
      element.dataset.kind = kind.value;
      this.changed();
    });
    removal.hidden = isRoot;
    removal.addEventListener("click", remove);
    for (const child of node.children) {
      const item = document.createElement("li");
      child.inWhere = inWhere;
      item.append(
        child.kind
          ? this.group(child, { parent: node, depth: depth + 1, inWhere })
          : this.row(child, { parent: node, depth }),
      );
      list.append(item);
    }
    const full = this.leaves().length >= this.limits.leaves;
    add.dataset.condFocus = `${node.id}:add`;
    add.disabled = full;
    add.addEventListener("click", () => this.add(node, this.blank()));
    addGroup.disabled = full || depth >= this.limits.depth;
    addGroup.addEventListener("click", () =>
      this.add(node, { id: ++lastId, kind: node.kind === "any" ? "all" : "any", children: [this.blank()] }),
    );
    this.showFaults(element, this.faults.filter(({ path }) => node.path && path === node.path), list);
    return element;
  }

  row(node, { parent, depth }) {
    const element = clone("row");
    element.dataset.node = node.id;
    this.arrows(element.querySelector("[data-cond-moves]"), node, parent);
    const facts = element.querySelector("[data-cond-fact]");
    facts.dataset.condFocus = `${node.id}:fact`;
    this.fillFacts(facts, node);
    facts.addEventListener("change", () => this.chooseFact(node, facts.value));
    const fact = this.fact(node);
    const family = node.fact && !this.factsOf(node).some(({ key }) => key === node.fact) ? this.family(node) : null;
    if (family) facts.after(this.nameField(node, family));
    const operators = element.querySelector("[data-cond-op]");
    operators.dataset.condFocus = `${node.id}:op`;
    operators.hidden = !fact;
    for (const { op, label } of this.operators(node)) operators.add(new Option(label, op, false, op === node.op));
    operators.addEventListener("change", () => this.chooseOperator(node, operators.value));
    if (fact?.counts_events) operators.before(...this.eventFields(node));
    element.querySelector("[data-cond-value]").append(...(fact ? this.valueFields(node, fact) : []));
    element.querySelector("[data-cond-remove]").addEventListener("click", () => this.remove(parent, node));
    if (this.showsSpeed && fact && (!fact.fast || this.operator(node)?.fast === false) && !node.inWhere) element.append(clone("slow"));
    this.showFaults(element, this.faultsOf(node));
    if (fact?.counts_events && this.vocabulary.event_facts) element.append(this.where(node, depth));
    return element;
  }

  arrows(place, node, parent) {
    place.hidden = !parent || (parent.children.length < 2 && !this.parentOf(parent));
    for (const button of place.querySelectorAll("button")) {
      button.addEventListener("click", () => this.move(node, parent, Number(button.dataset.condMove)));
    }
  }

  where(node, depth) {
    if (node.where) {
      const remove = () => {
        node.where = null;
        this.restructured(`${node.id}:where`);
      };
      const holder = clone("where");
      holder.append(this.group(node.where, { parent: null, depth: depth + 1, inWhere: true, remove }));
      return holder;
    }
    const button = clone("add-where");
    button.dataset.condFocus = `${node.id}:where`;
    button.disabled = depth >= this.limits.depth;
    button.addEventListener("click", () => {
      node.where = { id: ++lastId, kind: "all", children: [this.blank()] };
      this.restructured(`${node.where.children[0].id}:fact`);
    });
    return button;
  }

  fillFacts(select, node) {
    select.add(new Option(this.texts.chooseFact, ""));
    const groups = new Map();
    const place = (label, option) => {
      if (!groups.has(label)) {
        const group = document.createElement("optgroup");
        group.label = label;
        groups.set(label, group);
        select.append(group);
      }
      groups.get(label).append(option);
    };
    for (const { key, label, group } of this.factsOf(node)) place(group, new Option(label, key));
    for (const { prefix, label } of this.familiesOf(node)) place(this.texts.byName, new Option(`${label}…`, prefix));
    const known = [...select.options].some(({ value }) => value === node.fact);
    if (node.fact && !known) {
      const family = this.family(node);
      if (!family) select.add(new Option(node.fact, node.fact));
    }
    select.value = known ? node.fact : this.family(node)?.prefix ?? node.fact;
  }

  nameField(node, family) {
    const input = this.field("text", node.fact.slice(family.prefix.length), `${node.id}:name`, family.label);
    input.classList.add("cond-name");
    input.addEventListener("input", () => {
      node.fact = family.prefix + input.value.trim();
      this.changed();
    });
    return input;
  }

  eventFields(node) {
    const event = this.field("text", node.event ?? "", `${node.id}:event`, this.texts.eventType);
    event.placeholder = this.texts.anyEvent;
    event.classList.add("cond-event");
    const types = this.vocabulary.event_types ?? [];
    if (types.length) {
      const list = document.createElement("datalist");
      list.id = `cond-events-${node.id}`;
      list.append(...types.map(({ value, label }) => new Option(label, value)));
      event.setAttribute("list", list.id);
      event.append(list);
      this.place.append(list);
    }
    event.addEventListener("input", () => {
      node.event = event.value.trim() || null;
      this.changed();
    });
    const days = this.field("number", node.days ?? "", `${node.id}:days`, this.texts.days);
    days.min = 1;
    days.placeholder = this.texts.ever;
    days.addEventListener("input", () => {
      node.days = this.number(days.value);
      this.changed();
    });
    const unit = clone("days");
    unit.append(Object.assign(document.createElement("span"), { className: "input-group-text", textContent: this.texts.lastUnit }));
    unit.append(days, Object.assign(document.createElement("span"), { className: "input-group-text", textContent: this.texts.daysUnit }));
    return types.length ? [event, document.getElementById(`cond-events-${node.id}`), unit].filter(Boolean) : [event, unit];
  }

  valueFields(node, fact) {
    const operator = this.operator(node);
    if (!operator || operator.arity === 0) return [];
    const label = operator.days ? this.texts.days : fact.label;
    if (operator.arity === "list") return [this.listField(node, fact)];
    if (operator.arity === 2) {
      const and = Object.assign(document.createElement("span"), { textContent: this.texts.and });
      const set = (index) => (value) => {
        node.value = [...(Array.isArray(node.value) ? node.value : [null, null])];
        node.value[index] = value;
      };
      return [
        this.valueField(node, fact, operator, node.value?.[0], set(0), `${node.id}:value`, this.texts.from),
        and,
        this.valueField(node, fact, operator, node.value?.[1], set(1), `${node.id}:to`, this.texts.to),
      ];
    }
    const set = (value) => {
      node.value = value;
    };
    const field = this.valueField(node, fact, operator, node.value, set, `${node.id}:value`, label);
    if (!fact.counts_events) return [field];
    return [field, Object.assign(document.createElement("span"), { textContent: this.texts.timesUnit })];
  }

  valueField(node, fact, operator, value, set, focus, label) {
    if (fact.choices && !fact.suggests && !operator.days) return this.choiceField(node, fact, value, set, focus, label);
    const type = this.inputType(fact, operator, value);
    const field = this.field(type, value ?? "", focus, label);
    if (type === "number") field.step = fact.type === "integer" || operator.days ? "1" : "any";
    if (fact.choices && type === "text") {
      const list = document.createElement("datalist");
      list.id = `cond-list-${node.id}-${focus.split(":")[1]}`;
      list.append(...fact.choices.map((choice) => new Option(choice.label, choice.value)));
      field.setAttribute("list", list.id);
      // A datalist works from anywhere in the page; inside the field's own row it goes away with it.
      queueMicrotask(() => field.after(list));
    }
    field.addEventListener("input", () => {
      const typed = field.value.trim();
      set(typed === "" ? null : type === "number" && (fact.type === "integer" || operator.days) ? this.number(typed) : typed);
      this.changed();
    });
    return field;
  }

  inputType(fact, operator, value) {
    if (operator.days || NUMBERS.has(fact.type)) return "number";
    if (DATES.has(fact.type)) return String(value ?? "").includes("T") ? "text" : "date";
    return "text";
  }

  choiceField(node, fact, value, set, focus, label) {
    const select = document.createElement("select");
    select.className = "form-select";
    select.dataset.condFocus = focus;
    select.setAttribute("aria-label", label);
    select.add(new Option(this.texts.choose, ""));
    for (const choice of fact.choices) select.add(new Option(choice.label, choice.value, false, choice.value === value));
    if (!isBlank(value) && !fact.choices.some((choice) => choice.value === value)) select.add(new Option(value, value, false, true));
    select.addEventListener("change", () => {
      const chosen = fact.choices.find((choice) => String(choice.value) === select.value);
      set(chosen ? chosen.value : select.value || null);
      this.changed();
    });
    return select;
  }

  listField(node, fact) {
    const select = document.createElement("select");
    select.className = "form-select";
    select.multiple = true;
    select.dataset.enhance = "";
    const isOpen = !fact.choices || fact.suggests;
    select.dataset.create = String(isOpen);
    select.dataset.placeholder = isOpen ? this.texts.typeValues : this.texts.choose;
    select.dataset.condFocus = `${node.id}:value`;
    select.setAttribute("aria-label", fact.label);
    const chosen = Array.isArray(node.value) ? node.value : [];
    for (const choice of fact.choices ?? []) select.add(new Option(choice.label, choice.value, false, chosen.includes(choice.value)));
    for (const value of chosen) {
      if (!fact.choices?.some((choice) => choice.value === value)) select.add(new Option(value, value, true, true));
    }
    select.addEventListener("change", () => {
      node.value = [...select.selectedOptions].map(({ value }) => {
        const choice = fact.choices?.find((each) => String(each.value) === value);
        return choice ? choice.value : fact.type === "integer" ? this.number(value) : value;
      });
      this.changed();
    });
    return select;
  }

  field(type, value, focus, label) {
    const input = document.createElement("input");
    input.className = "form-control";
    input.type = type;
    input.value = value;
    input.autocomplete = "off";
    input.dataset.condFocus = focus;
    input.setAttribute("aria-label", label);
    return input;
  }

  // A whole number as a number; anything else as it was typed, for the server to say what is wrong with it.
  number(text) {
    if (text === "") return null;
    return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  }

  // Faults.

  faultsOf(node) {
    const own = this.faults.filter(({ path }) => node.path !== undefined && this.belongs(path, node.path));
    return node.fault ? [...own, { message: node.fault }] : own;
  }

  belongs(path, place) {
    if (place === "") return !/^(all|any|none)\b/.test(path) && !path.startsWith("where");
    return path === place || (path.startsWith(`${place}.`) && !path.startsWith(`${place}.where`));
  }

  showFaults(element, faults, before = null) {
    for (const [index, { message }] of faults.entries()) {
      const fault = clone("error");
      fault.id = `cond-fault-${++lastId}-${index}`;
      fault.querySelector("[data-cond-message]").textContent = message;
      if (before) before.before(fault);
      else element.append(fault);
      for (const field of element.querySelectorAll(":scope > .cond-fields > *, :scope > .cond-fields > .cond-value > *")) {
        if (!field.matches("input, select")) continue;
        field.classList.add("is-invalid");
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", fault.id);
      }
    }
  }
}

const built = new WeakSet();

function buildAll(root) {
  for (const element of root.querySelectorAll("[data-cond-builder]")) {
    if (built.has(element) || element.closest("details:not([open])")) continue;
    built.add(element);
    new Builder(element);
  }
}

buildAll(document);
document.addEventListener("htmx:load", (event) => buildAll(event.detail.elt.parentElement ?? document));
document.addEventListener("leadsys:added", (event) => buildAll(event.target));
document.addEventListener("toggle", (event) => event.target.open && buildAll(event.target), true);
