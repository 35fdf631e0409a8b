// What the pages do beyond htmx: follow a job's log, copy a text. Everything works without it, only less at hand.
"use strict";

const LOG_POLL_MS = 500;
const RESEND_MS = 5000;

function isAtBottom(box) {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 24;
}

function scrollToBottom(box) {
  box.scrollTop = box.scrollHeight;
}

// Appended as text, never as markup; stays at the end only for somebody who is there.
async function followLog(box) {
  let offset = box.dataset.logOffset;
  for (;;) {
    const pause = new Promise((resume) => setTimeout(resume, LOG_POLL_MS));
    try {
      const url = `${box.dataset.logUrl}?offset=${encodeURIComponent(offset)}`;
      const answer = await fetch(url, { headers: { "X-Background": "1" }, redirect: "error" });
      if (answer.ok) {
        const text = await answer.text();
        const follows = isAtBottom(box);
        box.append(text);
        if (follows) scrollToBottom(box);
        offset = answer.headers.get("X-Log-Offset");
        if (answer.headers.get("X-Job-Finished") === "yes") return;
      } else if (answer.status === 404 || answer.status === 403) {
        return;
      }
    } catch (error) {
      // The controller does not answer just now, or the session has ended; htmx shows the login then.
    }
    await pause;
  }
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch (error) {
    const range = document.createRange(); // plain http on another machine: no clipboard, so mark it for Ctrl-C
    range.selectNodeContents(document.getElementById(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Ctrl-C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

function offerCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

// A second click on the same button asks for nothing twice. Coming back to the page makes it anew.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
  setTimeout(() => { delete event.target.dataset.sent; }, RESEND_MS);
});

addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Of the git credentials, those for the address that is typed; the server holds to it, too.
function limitToFitting(select) {
  const address = document.getElementById(select.dataset.fits);
  const limit = () => {
    const url = address.value.match(/^(https|ssh):\/\/(?:[^@/]*@)?([^:/]+)/) || address.value.match(/^()(?:[^@/:]*@)?([^:/]+):/);
    for (const option of select.querySelectorAll("option[data-host]")) {
      const fits = !url || (option.dataset.kind === (url[1] || "ssh") && option.dataset.host === url[2].toLowerCase());
      option.hidden = option.disabled = !fits;
      if (!fits && option.selected) select.value = "";
    }
  };
  address.addEventListener("input", limit);
  limit();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const select of document.querySelectorAll("select[data-fits]")) limitToFitting(select);
  offerCopying(document);
  for (const box of document.querySelectorAll("pre.log")) scrollToBottom(box);
  for (const box of document.querySelectorAll("pre.log[data-log-url]")) followLog(box);
});
