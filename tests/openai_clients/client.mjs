// The official client for Node against the gateway; tests/openai_clients/run starts what it needs.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: "callers-own" });
const ask = (text, more = {}, options = {}) => client.chat.completions.create({ model: "auto", messages: [{ role: "user", content: text }], ...more }, options);
const requests = async name => (await (await fetch(process.env[name])).json()).requests;

const parts = {
  async chat() {
    const reply = await ask("Why?", { n: 2, seed: 7, logprobs: true });
    assert.equal(reply.choices[1].message.content, "echo: Why?");
    assert.ok(reply.usage.total_tokens > 0);
    assert.deepEqual((await client.models.list()).data.map(model => model.id), ["well"]);
  },
  async stream() {
    let said = "";
    for await (const chunk of await ask("中文，一字不丢", { stream: true })) said += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(said, "echo: 中文，一字不丢");
    let broken = "";
    await assert.rejects(async () => {
      for await (const chunk of await ask("some words that are cut", { model: "cut", stream: true })) broken += chunk.choices[0]?.delta?.content ?? "";
    }, OpenAI.APIError);
    assert.ok(broken.length > 0);
    const left = await ask("words that nobody reads to the end", { stream: true });
    for await (const _ of left) break;
  },
  async tools() {
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
    const call = (await ask("Is it warm?", { tools })).choices[0].message.tool_calls[0];
    assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
    const final = await client.chat.completions.stream({ model: "auto", tools, messages: [{ role: "user", content: "Is it warm?" }] }).finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, "weather");
  },
  async json_schema() {
    const schema = { type: "object", properties: { people: { type: "integer" } }, required: ["people"], additionalProperties: false };
    const reply = await ask("Which?", { response_format: { type: "json_schema", json_schema: { name: "city", strict: true, schema } } });
    assert.deepEqual(JSON.parse(reply.choices[0].message.content), { people: 1 });
  },
  async embeddings() {
    const vectors = await client.embeddings.create({ model: "well", input: ["a", "bb"], encoding_format: "float" });
    assert.equal(vectors.data.length, 2);
  },
  async errors() {
    await assert.rejects(ask("[[status 400]]"), error => error instanceof OpenAI.BadRequestError && error.message.includes("asked for this status"));
    await assert.rejects(ask("x", { model: "nobody" }), error => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
    const stranger = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: "wrong" });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  },
  async retries() {
    const before = await requests("UPSTREAM_COUNTS");
    await assert.rejects(ask("[[status 500]]", { model: "well" }, { headers: { "x-flux-deadline-ms": "800" } }), OpenAI.InternalServerError);
    assert.ok((await requests("UPSTREAM_COUNTS")) - before <= 6, "the gateway's own tries and no more");
    await new Promise(done => setTimeout(done, 2500)); // for the model to be asked again after its failures
    const begun = Date.now();
    for (let number = 0; number < 4; number++) await ask(`held ${number}`, { model: "held" });
    assert.ok(Date.now() - begun > 800, "the third one was refused, and tried again after Retry-After");
  },
};

for (const [name, part] of Object.entries(parts)) {
  await part();
  console.log(`node, openai ${VERSION}: ${name} well`);
}
