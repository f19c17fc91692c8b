// A logistic regression in Go. Temporaries are released by a scope, the rest by finalizers.
package main

import (
	"fmt"
	"log"
	"runtime"
	"time"

	ng "example/logistic/nanograd"
)

var state int64 = 1

// The same numbers in every language: see ../c/logistic.c.
func next() int64 {
	state = state * 16807 % 2147483647
	return state%2001 - 1000
}

func must(t *ng.Tensor, err error) *ng.Tensor {
	check(err)
	return t
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func train() {
	var examples, targets []float64
	for row := 0; row < 500; row++ {
		a, b, c, noise := next(), next(), next(), next()
		examples = append(examples, float64(a)/1000, float64(b)/1000, float64(c)/1000)
		target := 0.0
		if 3*a-2*b+c+noise > 0 {
			target = 1
		}
		targets = append(targets, target)
	}
	x := must(ng.Variable([]int64{500, 3}, examples, "x"))
	t := must(ng.Variable([]int64{500, 1}, targets, "t"))
	w := must(ng.Parameter([]int64{3, 1}, []float64{0, 0, 0}, "w"))
	b := must(ng.Parameter(nil, []float64{0}, "b"))
	optimizer, err := ng.SGD(0.5)
	check(err)
	check(optimizer.Add(w, b))

	for step := 0; step <= 200; step++ {
		check(ng.Scope(func() error {
			product, err := ng.Matmul(x, w)
			if err != nil {
				return err
			}
			z, err := ng.Add(product, b)
			if err != nil {
				return err
			}
			loss, err := ng.BinaryCrossEntropyLogits(z, t)
			if err != nil {
				return err
			}
			if step%100 == 0 {
				value, err := loss.Item()
				if err != nil {
					return err
				}
				fmt.Printf("step %3d  loss %.12f\n", step, value)
			}
			if err := loss.Backward(); err != nil {
				return err
			}
			if err := optimizer.Step(); err != nil {
				return err
			}
			return optimizer.ZeroGrad()
		}))
	}
}

func main() {
	train()
	a := must(ng.Zeros(2, 3))
	if _, err := ng.Matmul(a, a); err != nil {
		fmt.Println("error:", err)
	}
	for i := 0; i < 1000; i++ { // outside of scopes: the finalizers'
		must(ng.Zeros(100))
	}
	for i := 0; i < 100 && ng.LiveHandles() > 0; i++ { // finalizers run some time after
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("handles alive:", ng.LiveHandles())
}
