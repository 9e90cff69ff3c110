// What an app in TypeScript does with examples/spa/secret.js, through secret.d.ts: compiled, and never run.

import { type ReadError, type Secret, readSecret } from "../../../examples/spa/secret.js";

export async function use(token: string, signal: AbortSignal): Promise<string> {
  const { value, contentType, attributes }: Secret = await readSecret("https://HOST/api", "maps-key", {
    headers: { authorization: `Bearer ${token}` },
    signal,
  });
  const expires = attributes.exp === undefined ? "no end" : new Date(attributes.exp * 1000).toISOString();
  return [value, contentType?.trim(), expires].join();
}

export async function useNothingButAName(): Promise<number> {
  try {
    return (await readSecret("https://HOST/api", "maps-key")).value.length;
  } catch (error) {
    const { code, response, message } = error as ReadError;
    return code === "blocked" ? 0 : (response?.status ?? message.length);
  }
}

// Each of these is an error, so that nothing above is right only because it is `any`.
export const wrong = [
  // @ts-expect-error a name is needed
  () => readSecret("https://HOST/api"),
  // @ts-expect-error the token is no option; it goes into a header
  () => readSecret("https://HOST/api", "maps-key", { token: "" }),
  // @ts-expect-error the answer is not the value
  async (): Promise<string> => readSecret("https://HOST/api", "maps-key"),
  // @ts-expect-error tags never leave
  async () => (await readSecret("https://HOST/api", "maps-key")).tags,
  // @ts-expect-error an end date is Unix seconds, and may be absent
  async (): Promise<number> => (await readSecret("https://HOST/api", "maps-key")).attributes.exp,
];
