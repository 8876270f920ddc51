// A device for one test, in Node: to be broken, or to be told other things than the shared one.
import { type AdapterChoice, type Device, init, type InitOptions, useDevice } from '@bms/tensor/node'
import { options } from '../support/options.js'
import { ready } from './device.js'

/** The adapter of this test run. */
export const adapter = (process.env['BMS_TEST_ADAPTER'] as AdapterChoice | undefined) ?? options.adapter

/** Runs with a device of its own; the one of the other tests comes back. */
export async function withDevice(fn: (device: Device) => Promise<void>, how: InitOptions = { adapter }): Promise<void> {
  const shared = await ready()
  const device = await init(how)
  try {
    await fn(device)
  } finally {
    device.destroy()
    useDevice(shared)
  }
}
