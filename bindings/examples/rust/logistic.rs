//! A logistic regression in Rust. Temporaries are dropped step by step.

mod nanograd;
use nanograd::{Optimizer, Result, Tensor};

/// The same numbers in every language: see ../c/logistic.c.
fn next(state: &mut i64) -> i64 {
    *state = *state * 16807 % 2147483647;
    *state % 2001 - 1000
}

fn train() -> Result<()> {
    let (mut examples, mut targets, mut state) = (Vec::new(), Vec::new(), 1);
    for _ in 0..500 {
        let (a, b, c) = (next(&mut state), next(&mut state), next(&mut state));
        examples.extend([a, b, c].iter().map(|&feature| feature as f64 / 1000.0));
        let positive = 3 * a - 2 * b + c + next(&mut state) > 0;
        targets.push(if positive { 1.0 } else { 0.0 });
    }
    let x = Tensor::variable(&[500, 3], &examples, "x")?;
    let t = Tensor::variable(&[500, 1], &targets, "t")?;
    let w = Tensor::parameter(&[3, 1], &[0.0; 3], "w")?;
    let b = Tensor::parameter(&[], &[0.0], "b")?;
    let mut optimizer = Optimizer::sgd(0.5)?;
    optimizer.add(&[&w, &b])?;

    for step in 0..=200 {
        let loss = x.matmul(&w)?.add(&b)?.binary_cross_entropy_logits(&t)?;
        if step % 100 == 0 {
            println!("step {:3}  loss {:.12}", step, loss.item()?);
        }
        loss.backward()?;
        optimizer.step()?;
        optimizer.zero_grad()?;
    }
    Ok(())
}

fn mismatch() -> Result<Tensor> {
    let a = Tensor::zeros(&[2, 3])?;
    a.matmul(&a)
}

fn main() -> Result<()> {
    train()?;
    if let Err(error) = mismatch() {
        println!("error: {}", error);
    }
    println!("handles alive: {}", nanograd::live_handles());
    Ok(())
}
