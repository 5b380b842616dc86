/** On whose behalf credentials are asked for. */
export interface Caller {
  /** Of the CLI that started the run: PATH, KUBECONFIG, HOME and the variables that tokens come from. */
  environment: NodeJS.ProcessEnv
  /** Absolute; where commands run. */
  folder: string
  /** Told of every credential, so that nothing that leaves the daemon shows it. */
  conceal?(secret: string): void
}
