// Starts Swagger UI on /api/docs. Requests tried there carry the page's CSRF token, as those of a session must.

const place = document.getElementById("api-docs");
const csrf = document.querySelector("input[name=csrfmiddlewaretoken]");

SwaggerUIBundle({
  url: place.dataset.openapi,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  requestInterceptor(request) {
    if (csrf && new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = csrf.value;
    }
    return request;
  },
});

// Swagger UI has colours for dark pages, which a class of its own switches on.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
dark.addEventListener("change", follow);
follow();
