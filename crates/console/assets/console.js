// Comfort only: every page reads and every form works without this.
"use strict";

// A portal link bears its token in the fragment, with language and colour behind it. They leave the address bar before
// anything else happens.
const signIn = document.getElementById("sign-in");
if (location.hash.startsWith("#token=")) {
  const link = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  if (signIn) {
    signIn.elements.key.value = link;
    signIn.submit();
  } else {
    // Another session is open: a link means its own.
    const form = document.createElement("form");
    form.method = "post";
    form.action = document.querySelector('form[action$="/webhooks/sign-out"]').action.replace(/sign-out$/, "session");
    for (const [name, value] of [["key", link], ["next", location.pathname + location.search]]) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = value;
      form.append(field);
    }
    document.body.append(form);
    form.submit();
  }
}

// The server renders times in this zone from the next page on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").some((pair) => pair.startsWith("tidings-zone="))) {
  const site = document.body.dataset.cookies;
  document.cookie = `tidings-zone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; ${site}`;
  if (!signIn && document.querySelector("time") && document.cookie.includes("tidings-zone=")) location.reload();
}

// A product that shows the console in a frame learns how high the page is, and when the session has ended. Nobody else does.
const frames = (document.body.dataset.frames || "").split(" ").filter(Boolean);
if (parent !== window && frames.length > 0) {
  const known = location.ancestorOrigins ? [location.ancestorOrigins[0]] : frames;
  const tell = (message) => {
    for (const origin of known) if (frames.includes(origin)) parent.postMessage(message, origin);
  };
  const height = () => tell({ type: "tidings:height", height: document.documentElement.scrollHeight });
  new ResizeObserver(height).observe(document.body);
  if (signIn) tell({ type: "tidings:signed-out" });
}

// One press, one submission.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// What is worth copying is copied by a press.
for (const element of document.querySelectorAll(".copy")) {
  element.tabIndex = 0;
  const copy = async () => {
    const text = element.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain HTTP there is no clipboard API.
      getSelection().selectAllChildren(element);
      document.execCommand("copy");
    }
    element.classList.add("copied");
    setTimeout(() => element.classList.remove("copied"), 1200);
  };
  element.addEventListener("click", copy);
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter") copy();
  });
}

// Long lists of event types can be searched.
for (const field of document.querySelectorAll("input.find")) {
  field.hidden = false;
  const rows = document.querySelectorAll(`#${field.dataset.find} label`);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}

// "7 of 10" below the properties.
for (const field of document.querySelectorAll("textarea[data-count]")) {
  const counter = document.querySelector(`[data-counter="${field.id}"]`);
  const show = () => {
    const count = field.value.split(/\s+/).filter(Boolean).length;
    counter.textContent = `${count} / ${field.dataset.count}`;
    counter.classList.toggle("over", count > Number(field.dataset.count));
  };
  field.addEventListener("input", show);
  show();
}

// What is under way is looked at again until it has ended.
const refreshed = document.querySelector("[data-refresh]");
if (refreshed) {
  const again = async () => {
    if (!document.hidden) {
      const answer = await fetch(location.href);
      if (!answer.ok) return location.reload();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.getElementById("main").replaceWith(page.getElementById("main"));
    }
    if (document.querySelector("[data-refresh]")) setTimeout(again, 2000);
  };
  setTimeout(again, 2000);
}

// The live tail counts what is new and shows it when asked.
const tail = document.querySelector("button.tail");
if (tail) {
  const label = tail.textContent;
  let source = null;
  let seen = 0;
  tail.hidden = false;
  const stop = () => {
    source.close();
    source = null;
    tail.textContent = label;
    tail.setAttribute("aria-pressed", "false");
  };
  tail.addEventListener("click", () => {
    if (source && seen > 0) return location.reload();
    if (source) return stop();
    seen = 0;
    source = new EventSource(tail.dataset.tail);
    tail.textContent = tail.dataset.on;
    tail.setAttribute("aria-pressed", "true");
    source.addEventListener("attempt", () => {
      seen += 1;
      tail.textContent = `${seen} ${tail.dataset.new}`;
    });
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) stop();
    });
  });
}

// "/" goes to the search, as in many consoles.
addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector(".filters input:not([type=hidden]), .go input");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
});
