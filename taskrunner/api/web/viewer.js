"use strict";

// Relative, so that the page works under /api/v1 and behind a proxy with a path.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  // The validator would send the address of this server to its makers.
  validatorUrl: null,
});
