// Modules made of modules: one after another, or a list.
import { ArgumentError, type Tensor } from '@bms/autograd'
import { Module } from './module.js'

function checkModule(op: string, name: string, value: unknown): Module {
  if (value instanceof Module) return value
  throw new ArgumentError(op, `${name} is ${value === null ? 'null' : typeof value}, a Module is needed`, { name })
}

/** Modules in order under the names '0', '1', …, shared by Sequential and ModuleList. */
class Modules extends Module {
  readonly [index: number]: Module

  get length(): number {
    return this.children().length
  }

  /** The module at `index`; negative ones count from the end. */
  at(index: number): Module | undefined {
    return this.children().at(index)
  }

  append(module: Module): this {
    const name = String(this.length)
    ;(this as unknown as Record<string, Module>)[name] = checkModule(this.constructor.name, `module ${name}`, module)
    return this
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.children()[Symbol.iterator]()
  }
}

/** Feeds each module with the result of the one before: `new Sequential(new Linear(2, 8), new ReLU())`, or an object of named modules. */
export class Sequential extends Modules {
  constructor(...modules: Module[] | [Record<string, Module>]) {
    super()
    const [first] = modules
    if (modules.length === 1 && !(first instanceof Module) && typeof first === 'object' && first !== null) {
      for (const [name, module] of Object.entries(first)) (this as unknown as Record<string, Module>)[name] = checkModule('Sequential', name, module)
    } else for (const module of modules as Module[]) this.append(module)
  }

  override forward(x: Tensor): Tensor {
    let out = x
    for (const child of this.children()) out = child.forward(out) as Tensor
    return out
  }
}

/** A list of modules whose parameters count; it has no forward of its own. */
export class ModuleList extends Modules {
  constructor(modules: Iterable<Module> = []) {
    super()
    for (const module of modules) this.append(module)
  }
}
