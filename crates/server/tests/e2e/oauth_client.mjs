// An app that knows AIPassport only as an OAuth server: oauth4webapi, unmodified, by discovery.
//
// Reads its settings as one line of JSON; prints the address to send the user's browser to; reads the
// address the browser came back to; prints what each later step gave. test_oauth_clients.py plays the user.

import * as oauth from "oauth4webapi";
import readline from "node:readline";

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => (await lines.next()).value;
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const { issuer, client_id, client_secret, redirect_uri, details, resource } = JSON.parse(await hear());
// Loopback is plain HTTP. Nothing else is relaxed.
const insecure = { [oauth.allowInsecureRequests]: true };

const server = await oauth.processDiscoveryResponse(
  new URL(issuer),
  await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure }),
);
const client = { client_id };
const authentication = oauth.ClientSecretBasic(client_secret);

const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
const address = new URL(server.authorization_endpoint);
const asked = {
  response_type: "code", client_id, redirect_uri, state, resource,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  authorization_details: JSON.stringify(details),
};
for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
say({ authorize: address.href });

// Checks `state`, and, as the server says it sends one, `iss` (RFC 9207).
const parameters = oauth.validateAuthResponse(server, client, new URL(await hear()), state);
const redeemed = await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, redirect_uri, verifier, insecure);
const tokens = await oauth.processAuthorizationCodeResponse(server, client, redeemed);
say({ tokens });

const introspect = async (token) => {
  const answer = await oauth.introspectionRequest(server, client, authentication, token, insecure);
  return oauth.processIntrospectionResponse(server, client, answer);
};
say({ introspection: await introspect(tokens.access_token) });

const refresh = async (token) => {
  const answer = await oauth.refreshTokenGrantRequest(server, client, authentication, token, insecure);
  return oauth.processRefreshTokenResponse(server, client, answer);
};
const refreshed = await refresh(tokens.refresh_token);
say({ refreshed });

// Until then the first access token is made use of.
await hear();
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, refreshed.refresh_token, insecure));
const failure = await refresh(refreshed.refresh_token).catch((error) => error);
say({ after_revocation: failure.error, introspection: await introspect(refreshed.access_token) });

// A mixed-up answer: our code, but from another issuer.
const mixed = new URL(redirect_uri);
mixed.search = new URLSearchParams({ code: "a", state, iss: "https://attacker.example" }).toString();
try {
  oauth.validateAuthResponse(server, client, mixed, state);
  say({ mix_up: "not noticed" });
} catch {
  say({ mix_up: "noticed" });
}
