// What the page asks of its server.

let token = sessionStorage.getItem("token") || "";

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

export function useToken(value) {
  token = value.trim();
  sessionStorage.setItem("token", token);
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  let message = `the server answered ${answer.status}`;
  try { message = (await answer.json()).error.message; } catch { /* no JSON: the status says it */ }
  throw new Refused(answer.status, message);
}

export async function models() {
  return (await (await ask("v1/models")).json()).data.map(model => model.id);
}

function form(file, fields) {
  const body = new FormData();
  body.append("files", file, file.name || "picture.jpg");
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return body;
}

export async function analyze(file, fields, { accept = "application/json", signal } = {}) {
  return ask("v1/analyze", { method: "POST", body: form(file, fields), headers: { Accept: accept }, signal });
}

// Rows of a video as they come: calls `each` with the name and the data of every event.
export async function stream(file, fields, each, signal) {
  const answer = await analyze(file, fields, { accept: "text/event-stream", signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value || "";
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event);
      const data = /^data: (.*)$/m.exec(event);
      if (data) each(name ? name[1] : "message", JSON.parse(data[1]));
    }
    if (done) return;
  }
}

export async function chat(model, picture, talk, question) {
  const messages = [];
  for (const [asked, said] of talk) messages.push({ role: "user", content: asked }, { role: "assistant", content: said });
  messages.push({ role: "user", content: question });
  messages[0].content = [{ type: "image_url", image_url: { url: picture } }, { type: "text", text: messages[0].content }];
  const answer = await ask("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages, max_tokens: 200 }),
  });
  return (await answer.json()).choices[0].message.content;
}
