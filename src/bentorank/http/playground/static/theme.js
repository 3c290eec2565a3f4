// Dark or light: as the system has it, or as the button says, for as long as the page is open.

import { byId } from "./dom.js";

const THEMES = ["auto", "light", "dark"];

export function offerThemes() {
  const button = byId("theme");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    document.documentElement.dataset.theme = next;
    button.textContent = `Theme: ${next}`;
  });
}
