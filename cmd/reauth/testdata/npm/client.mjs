// A program as its author wrote it: the official client, its address and key from the environment, no retries of its own.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const ask = { model: "example", messages: [{ role: "user", content: "Hello" }] };
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
