// Starts Swagger UI: examples rather than schemas, ready to be sent, dark where the reader's system is.
const root = document.getElementById("documentation");
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);

window.ui = SwaggerUIBundle({
  url: root.dataset.document,
  domNode: root,
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelRendering: "example",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,
});
