// Elements are made here. Whatever a document, a query or the service says becomes text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (functions by event name under `on`) and children: elements or texts. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** Text that only screen readers say. */
export const said = (text) => h("span", { class: "hidden" }, text);

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}
