"use strict";
// What every script here uses: elements made without markup, and one tip. Text from a run only ever becomes a text node.
const perfkit = {};
{
  const SVG = "http://www.w3.org/2000/svg";

  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  };

  perfkit.html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  perfkit.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  perfkit.data = () => JSON.parse(document.getElementById("data").textContent);

  // The tip beside a point of the window (CSS pixels), kept within it.
  perfkit.tip = {
    show(x, y, ...children) {
      const tip = document.getElementById("tip");
      tip.replaceChildren(...children);
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      const right = x + 16 + box.width < innerWidth;
      const left = right ? x + 16 : Math.max(4, x - 16 - box.width);
      const top = Math.min(Math.max(4, y - box.height / 2), innerHeight - box.height - 4);
      tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    },
    hide() {
      document.getElementById("tip").hidden = true;
    },
  };

  perfkit.say = (text) => {
    document.getElementById("said").textContent = text;
  };

  // Calls back once per frame at most.
  perfkit.soon = (callback) => {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        callback();
      });
    };
  };
}
