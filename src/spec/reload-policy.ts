/** How saves of a service's files become running code: the service's own rules before its preset's. */
export interface ReloadPolicy {
  restart: ReloadRestart
  /** A second process of this interpreter has started up to the service's own code and waits for it. */
  spare?: 'node' | 'python'
  /** Installed modules that the spare has loaded by then. */
  preload?: string[]
  /** The old process serves until the new one is ready, where two can live side by side. */
  overlap: boolean
  /** Pages served through the front door reload by themselves. */
  browser: boolean
  /** Run beside every loop with `shiv start --test`. */
  test?: string[]
  /** The folder of the image that holds the code; whatever goes into the container goes there. Absent: only the image knows. */
  workdir?: string
  /** Why nothing can be changed inside the containers of this runtime, and what a save that needs it does instead. */
  obstacle?: { do: 'image' | 'ignore'; why: string }
  /** The first that matches a path decides. */
  rules: ReloadRule[]
}

/** `process`: end it and start it anew. A signal: the service reads its code again by itself. `none`: it watches its own files. */
export type ReloadRestart = 'process' | 'none' | { signal: string }

/** Globs of paths relative to the service's folder. Where the rule stands: `preset node`, `service.yaml`. */
export type ReloadRule = {
  files: string[]
  from: string
  position?: { file: string; line: number; column: number }
  why?: string
} & ReloadAction

export type ReloadAction =
  | { do: 'ignore' }
  /** Another image is built and rolled out. */
  | { do: 'image' }
  /** `to` is the folder of the container that stands for the service's folder. */
  | { do: 'sync'; to: string; restart?: ReloadRestart }
  /**
   * A command on this machine makes `sync.from` (a file or folder; template `${out}`), which goes to `sync.to` in the container. With
   * `to`, as for `sync`, the saved file itself goes there too, as it would in a new image.
   */
  | {
      do: 'build'
      run: string[]
      env?: Record<string, string>
      /** A container of this image runs it where this machine has no such program. */
      image?: string
      sync: { from: string; to: string }
      to?: string
      restart?: ReloadRestart
    }
  /**
   * Dependencies in place. As processes, `run` is a command of the service's folder, unless `inContainer` is there. In pods that is what
   * makes it possible; the image is stale from then on. The saved file itself goes below `to`.
   */
  | { do: 'install'; run: string[]; to: string; inContainer?: ContainerInstall; restart?: ReloadRestart }

/** An install beside the running containers, whose outcome then goes into them. */
export interface ContainerInstall {
  /** `run` is done in a container of this image, in a folder that is there at `to` and holds nothing but what it reads. */
  image: string
  /** A folder that `run` makes, relative to `to`. In the running containers it takes the place of the one of that name. */
  makes: string
  /** Globs of what `run` reads of the service's folder beside the files of the rule. */
  reads: string[]
  env?: Record<string, string>
}

/** What a preset says of reload. Templates of a rule's words: `${service.name}`, which is filled when a service is resolved, and `${out}`. */
export interface ReloadDefaults extends Partial<Pick<ReloadPolicy, 'restart' | 'overlap' | 'browser' | 'test'>> {
  spare?: 'node' | 'python' | 'none'
  preload?: string[]
  rules: ReloadDefaultRule[]
}

/** A rule of a preset; with `when`, for services only whose folder has that file, and that text in it. */
export type ReloadDefaultRule = { files: string[]; why?: string; when?: { file: string; contains?: string } } & ReloadAction
