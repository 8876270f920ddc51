// A model of your own with @bms/nn: a small network learns to tell the two arms of a spiral apart. Run it with `npm run example mlp`;
// the same code runs in a browser, where init() takes navigator.gpu.
import { cat, compile, grad, init, losses, nn, optim, rand, stack, type Tensor } from '@bms/nn'

class Classifier extends nn.Module {
  hidden = new nn.Sequential(new nn.Linear(2, 64), new nn.ReLU(), new nn.Linear(64, 64), new nn.ReLU())
  head = new nn.Linear(64, 1)

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.hidden.forward(x))
  }
}

/** `n` points on each of two arms, the second turned by half a circle, and which arm each point belongs to. */
function spirals(n: number): { points: Tensor; arm: Tensor } {
  const distance = rand([n]).sqrt()
  const angle = distance.mul(3 * Math.PI)
  const one = stack([angle.cos(), angle.sin()], 1).mul(distance.unsqueeze(1))
  return { points: cat([one, one.neg()]), arm: cat([distance.mul(0), distance.mul(0).add(1)]).unsqueeze(1) }
}

/** Trains for `steps` steps and gives the accuracy on points that the model has not seen. */
export async function run(steps = 1000, log: (line: string) => void = console.log): Promise<number> {
  await init({ seed: 1 })
  const model = new Classifier()
  const adam = new optim.Adam(model.parameters(), { lr: 0.01 })

  // Recorded once, then replayed: fresh points, forward pass, gradients and the update are one list of GPU commands.
  const step = compile(() => {
    const { points, arm } = spirals(128)
    const loss = losses.bceWithLogits(model.forward(points), arm)
    adam.step(grad(loss, adam.params))
    return loss
  })

  for (let i = 1; i <= steps; i++) {
    const loss = step()
    if (i % 100 === 0) log(`step ${i}: loss ${(await loss.item()).toFixed(4)}`)
  }
  const { points, arm } = spirals(1000)
  const right = model.forward(points).gt(0).eq(arm.gt(0.5))
  const accuracy = await right.to('f32').mean().item()
  log(`${(100 * accuracy).toFixed(1)} % of new points are told apart`)
  return accuracy
}
