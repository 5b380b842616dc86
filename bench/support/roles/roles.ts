/** What a child can be: each listens on loopback, and resolves to its port. */
export type Roles = Record<string, (upstream: string, ...words: string[]) => Promise<number>>
