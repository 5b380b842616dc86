import type { ContainerInstall, ReloadRule } from '../../spec/reload-policy.ts'

export type BuildRule = Extract<ReloadRule, { do: 'build' }>

export type InstallRule = Extract<ReloadRule, { do: 'install' }>

/** An install rule that is done in a container of a tool image, for pods. */
export type ContainerInstallRule = InstallRule & { inContainer: ContainerInstall }
