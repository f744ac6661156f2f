// What pages gain by scripts. Each of them works without.
"use strict";

// The first moment after a page gains focus belongs to nobody: a click meant for what was there
// before must not allow anything.
const WAIT_MS = 700;
for (const button of document.querySelectorAll("button[data-slow]:not([disabled])")) {
  let timer;
  const wait = () => {
    clearTimeout(timer);
    button.disabled = true;
    timer = setTimeout(() => { button.disabled = false; }, WAIT_MS);
  };
  wait();
  window.addEventListener("focus", wait);
}

document.querySelector("[data-focus]")?.focus();

// An amount typed in takes the place of the ones to pick, and the other way round.
for (const amount of document.querySelectorAll(".amount input")) {
  const picks = [...document.getElementsByName(`${amount.name}.preset`)];
  amount.addEventListener("input", () => picks.forEach((pick) => { pick.checked = false; }));
  picks.forEach((pick) => pick.addEventListener("change", () => { amount.value = ""; }));
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// The same page is asked for again, and the parts marked as live take the place of the old ones.
// A page that is not looked at, or a part with the focus in it, stays as it is.
const LIVE_MS = 1000;
const refresh = () => {
  if (document.hidden) return void setTimeout(refresh, LIVE_MS);
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = 10 * LIVE_MS;
  request.setRequestHeader("aipassport-live", "1");
  request.onloadend = () => {
    const ended = request.status === 200 && !request.response?.querySelector("[data-live]");
    if (ended || request.status === 401) return location.reload();
    for (const fresh of request.response?.querySelectorAll("[data-live]") ?? []) {
      const old = document.getElementById(fresh.id);
      const isBusy = !old || old.contains(document.activeElement) || old.querySelector("details[open]");
      if (!isBusy && !old.isEqualNode(fresh)) old.replaceWith(document.adoptNode(fresh));
    }
    setTimeout(refresh, LIVE_MS);
  };
  request.send();
};
if (document.querySelector("[data-live]")) setTimeout(refresh, LIVE_MS);
