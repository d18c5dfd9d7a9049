// Light or dark: as the system says until a person chooses; the choice is kept where the browser allows it.
{
  const KEY = "perfkit-theme";
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");

  const kept = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a page from a file may have no storage
    }
  };
  const current = () => document.documentElement.dataset.theme || (system.matches ? "dark" : "light");
  const show = () => {
    button.textContent = current() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${current() === "dark" ? "light" : "dark"} theme`);
  };

  const before = kept();
  if (before === "dark" || before === "light") document.documentElement.dataset.theme = before;
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // then it holds until the page is closed
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}
