// A program that knows nothing of reauth. OpenAI's client takes its base URL and key from the
// environment. It does not retry, so that it cannot hide a failure of the proxy.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const ask = { model: "example", messages: [{ role: "user", content: "Hello" }] };
// Each mode prints the texts of the answers; stream also how many chunks came.
const once = async () => (await client.chat.completions.create(ask)).choices[0].message.content;

async function stream() {
	let text = "";
	let chunks = 0;
	for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
		text += chunk.choices[0]?.delta?.content ?? "";
		chunks++;
	}
	return { texts: [text], chunks };
}

const modes = {
	once: async () => ({ texts: [await once()] }),
	stream,
	many: async () => ({ texts: await Promise.all(Array.from({ length: 40 }, once)) }),
};
console.log(JSON.stringify(await modes[process.argv[2]]()));
