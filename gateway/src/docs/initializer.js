// Starts Swagger UI with a random Idempotency-Key for POST /orders. A response that settles the order replaces the
// key. After any other response, or none, the key stays: Execute then retries the same order.

const PATH = "/orders";
const METHOD = "post";

function fillInKey(actions) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  actions.changeParam([PATH, METHOD], "Idempotency-Key", "header", key, false);
}

function isSettled(response) {
  if (response.status >= 200 && response.status < 300) return true;
  try {
    return JSON.parse(response.text).retryable === false;
  } catch {
    return false;
  }
}

const idempotencyKey = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        setResponse: (setResponse, system) => (path, method, response) => {
          const action = setResponse(path, method, response);
          if (path === PATH && method === METHOD && isSettled(response)) fillInKey(system.specActions);
          return action;
        },
      },
    },
  },
});

window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    // Keeps Swagger UI from sending the document's address to validator.swagger.io.
    validatorUrl: "none",
    layout: "StandaloneLayout",
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [idempotencyKey],
    onComplete: () => fillInKey(window.ui.specActions),
  });
};
