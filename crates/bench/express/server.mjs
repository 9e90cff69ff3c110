// What a page's author would otherwise deploy: express, its `cors` middleware and the Azure SDK, one secret read once.
//
// The generous reading: callers share one read of the vault, whose answer stays in memory for ever; nothing is logged,
// and the page's origin is all that is checked.
import { DefaultAzureCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import cors from "cors";
import express from "express";

const { ALLOWED_ORIGIN, KEY_VAULT_URL, PORT } = process.env;

const vault = new SecretClient(KEY_VAULT_URL, new DefaultAzureCredential(), {
  // The emulated vault is not below vault.azure.net, which its challenge names.
  disableChallengeResourceVerification: true,
});
const secrets = new Map();

function secret(name) {
  if (!secrets.has(name)) {
    secrets.set(name, vault.getSecret(name));
  }
  return secrets.get(name);
}

function refuseOtherOrigins(request, response, next) {
  if (request.headers.origin === ALLOWED_ORIGIN) {
    next();
  } else {
    response.status(403).json({ error: { code: "Forbidden", message: "This origin may not read secrets here." } });
  }
}

const app = express();
app.get("/", (_request, response) => response.end());
app.use(refuseOtherOrigins);
app.use(
  cors({
    origin: [ALLOWED_ORIGIN],
    methods: ["GET", "HEAD"],
    allowedHeaders: ["authorization", "x-functions-key"],
    maxAge: 600,
  }),
);
app.get("/api/secrets/:name", async (request, response) => {
  const { name, properties, value } = await secret(request.params.name);
  response.set("Cache-Control", "no-store").json({
    value,
    id: `https://localhost/secrets/${name}/${properties.version}`,
    contentType: properties.contentType,
    attributes: {
      enabled: properties.enabled,
      created: properties.createdOn.getTime() / 1000,
      updated: properties.updatedOn.getTime() / 1000,
    },
  });
});
app.listen(PORT, "127.0.0.1");
