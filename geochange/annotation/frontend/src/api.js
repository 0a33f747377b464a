// Requests; addresses are relative, so that the page also works behind a proxy's path.

export const token = document.querySelector('meta[name=geochange-token]').content;

export class Refused extends Error {
  constructor(status, facts) {
    super(facts.error ?? `the server answered ${status}`);
    this.status = status;
    this.facts = facts;
  }
}

export class Lost extends Error {}

export async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { 'X-Geochange-Token': token, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw new Lost('the server does not answer', { cause: error });
  }
  if (response.status >= 500) throw new Lost(`the server answered ${response.status}`);
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, content);
  return content;
}

export const get = (path) => ask('GET', path);
export const post = (path, body) => ask('POST', path, body);
