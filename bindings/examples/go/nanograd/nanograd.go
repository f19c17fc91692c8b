// Package nanograd wraps libnanograd with cgo: handles that finalizers release, and errors as values.
// A sketch to start from: what it does not wrap is wrapped like its neighbours.
//
// The collector sees a few bytes of Go where the library holds a tensor, and comes too late. So a loop
// makes its temporaries inside Scope, at whose end they are released.
package nanograd

/*
#cgo LDFLAGS: -lnanograd
#include <nanograd.h>
#include <stdlib.h>

// Scopes belong to the thread, and so does the number of those that are open.
static _Thread_local int32_t open_scopes;
static int32_t scopes(int32_t change) { return open_scopes += change; }
*/
import "C"

import (
	"math"
	"runtime"
	"unsafe"
)

// Error is what the library reports: its code and its message.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return e.Message }

// locked keeps the goroutine on its thread, whose record of errors and whose scopes are asked for
// after a call: without it, the second call might run on another thread than the first.
func locked(body func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return body()
}

// recorded takes what is on record for this thread, and leaves the record clear for the next call.
func recorded() error {
	err := &Error{int(C.ng_error()), C.GoString(C.ng_error_message())}
	C.ng_clear_error()
	return err
}

func check(call func() C.ng_status) error {
	return locked(func() error {
		if call() < 0 {
			return recorded()
		}
		return nil
	})
}

// Tensor owns one handle, or has it from the scope in which it was made.
type Tensor struct{ handle *C.ng_tensor }

func made(call func() *C.ng_tensor) (t *Tensor, err error) {
	err = locked(func() error {
		handle := call()
		if handle == nil {
			return recorded()
		}
		t = &Tensor{handle}
		if C.scopes(0) == 0 {
			runtime.SetFinalizer(t, (*Tensor).release)
		}
		return nil
	})
	return
}

// A finalizer runs on a thread of its own; any thread may release.
func (t *Tensor) release() { C.ng_release(t.handle) }

// Scope calls body and then releases all tensors made in it. The goroutine stays on its thread.
func Scope(body func() error) error {
	return locked(func() error {
		if C.ng_scope_begin() < 0 {
			return recorded()
		}
		C.scopes(1)
		defer func() { // also if body panics
			C.scopes(-1)
			C.ng_scope_end()
		}()
		return body()
	})
}

func dimensions(shape []int64) (C.int32_t, *C.int64_t) {
	if len(shape) == 0 {
		return 0, nil
	}
	return C.int32_t(len(shape)), (*C.int64_t)(unsafe.Pointer(&shape[0]))
}

// fill gives ng_write the data with its size, because the library cannot see how long it is.
func fill(t *Tensor, data []float64) error {
	var first unsafe.Pointer
	if len(data) > 0 {
		first = unsafe.Pointer(&data[0])
	}
	defer runtime.KeepAlive(t)
	return check(func() C.ng_status { return C.ng_write(t.handle, first, C.int64_t(8*len(data))) })
}

// Variable makes a leaf without gradient.
func Variable(shape []int64, data []float64, tag string) (*Tensor, error) {
	name := C.CString(tag)
	defer C.free(unsafe.Pointer(name))
	rank, first := dimensions(shape)
	t, err := made(func() *C.ng_tensor { return C.ng_variable(C.NG_FLOAT64, rank, first, nil, name) })
	if err == nil {
		err = fill(t, data)
	}
	return t, err
}

// Parameter makes a leaf that gradients are accumulated for.
func Parameter(shape []int64, data []float64, tag string) (*Tensor, error) {
	name := C.CString(tag)
	defer C.free(unsafe.Pointer(name))
	rank, first := dimensions(shape)
	t, err := made(func() *C.ng_tensor { return C.ng_parameter(C.NG_FLOAT64, rank, first, nil, name) })
	if err == nil {
		err = fill(t, data)
	}
	return t, err
}

// Zeros makes a tensor full of 0.
func Zeros(shape ...int64) (*Tensor, error) {
	rank, first := dimensions(shape)
	return made(func() *C.ng_tensor { return C.ng_zeros(C.NG_FLOAT64, rank, first) })
}

// binary keeps both operands from the collector until the call is over.
func binary(a, b *Tensor, call func(a, b *C.ng_tensor) *C.ng_tensor) (*Tensor, error) {
	defer runtime.KeepAlive(a)
	defer runtime.KeepAlive(b)
	return made(func() *C.ng_tensor { return call(a.handle, b.handle) })
}

// Add is a + b.
func Add(a, b *Tensor) (*Tensor, error) {
	return binary(a, b, func(a, b *C.ng_tensor) *C.ng_tensor { return C.ng_add(a, b) })
}

// Matmul is a @ b.
func Matmul(a, b *Tensor) (*Tensor, error) {
	return binary(a, b, func(a, b *C.ng_tensor) *C.ng_tensor { return C.ng_matmul(a, b) })
}

// BinaryCrossEntropyLogits is the loss of logits z for targets t.
func BinaryCrossEntropyLogits(z, t *Tensor) (*Tensor, error) {
	return binary(z, t, func(z, t *C.ng_tensor) *C.ng_tensor {
		return C.ng_binary_cross_entropy_logits(z, t)
	})
}

// Backward accumulates the gradients of a loss.
func (t *Tensor) Backward() error {
	defer runtime.KeepAlive(t)
	return check(func() C.ng_status { return C.ng_backward(t.handle) })
}

// Item is the value of a tensor with one element.
func (t *Tensor) Item() (value float64, err error) {
	defer runtime.KeepAlive(t)
	err = locked(func() error {
		value = float64(C.ng_item(t.handle))
		// NaN may be a value, so the record is asked whether it is one.
		if math.IsNaN(value) && C.ng_error() != C.NG_OK {
			return recorded()
		}
		return nil
	})
	return
}

// Optimizer owns an optimizer, which keeps its own references to the Parameters.
type Optimizer struct{ handle *C.ng_optimizer }

// SGD makes an optimizer for stochastic gradient descent.
func SGD(rate float64) (o *Optimizer, err error) {
	err = locked(func() error {
		handle := C.ng_sgd(C.double(rate))
		if handle == nil {
			return recorded()
		}
		o = &Optimizer{handle}
		runtime.SetFinalizer(o, func(o *Optimizer) { C.ng_optimizer_release(o.handle) })
		return nil
	})
	return
}

// Add adds Parameters.
func (o *Optimizer) Add(parameters ...*Tensor) error {
	defer runtime.KeepAlive(o)
	for _, p := range parameters {
		handle := p.handle
		err := check(func() C.ng_status { return C.ng_optimizer_add(o.handle, &handle, 1) })
		runtime.KeepAlive(p)
		if err != nil {
			return err
		}
	}
	return nil
}

// Step updates every Parameter.
func (o *Optimizer) Step() error {
	defer runtime.KeepAlive(o)
	return check(func() C.ng_status { return C.ng_optimizer_step(o.handle) })
}

// ZeroGrad sets the accumulated gradients to zero.
func (o *Optimizer) ZeroGrad() error {
	defer runtime.KeepAlive(o)
	return check(func() C.ng_status { return C.ng_optimizer_zero_grad(o.handle) })
}

// LiveHandles counts the handles alive in the process.
func LiveHandles() int64 { return int64(C.ng_live_handles()) }
