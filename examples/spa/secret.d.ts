/** A Key Vault secret bundle, as far as keyvault-cors gives it out. Times are Unix seconds. */
export interface Secret {
  value: string;
  id: string;
  contentType?: string;
  attributes: { enabled?: boolean; nbf?: number; exp?: number; created?: number; updated?: number };
}

/** What `readSecret` throws, unless it was cancelled: then it is the signal's reason. */
export interface ReadError extends Error {
  /** The innermost code of the answer, `"blocked"` when there was none, or absent when the answer was no such error. */
  code?: string;
  response?: Response;
}

/**
 * Reads the current version of one secret.
 * @param api the API's address, as `https://HOST/api`
 */
export function readSecret(
  api: string,
  name: string,
  options?: { headers?: Record<string, string>; signal?: AbortSignal },
): Promise<Secret>;
