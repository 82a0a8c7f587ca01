// A program that knows nothing of reauth. Anthropic's client takes its base URL and token from the
// environment. It does not retry, so that it cannot hide a failure of the proxy.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ maxRetries: 0 });
const ask = { model: "example", max_tokens: 16, messages: [{ role: "user", content: "Hello" }] };
const once = await client.messages.create(ask);
let text = "";
for await (const event of await client.messages.create({ ...ask, stream: true })) {
	text += event.delta?.text ?? "";
}
console.log(JSON.stringify({ texts: [once.content[0].text, text] }));
