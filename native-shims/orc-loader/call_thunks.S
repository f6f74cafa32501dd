//===- call_thunks.S - The frame that exceptions do not pass --------------===//
//
// For x86-64. A call from JavaScript enters one of the thunks of a page, which
// tells its frame, by %r10, the block of that function. The frame has the
// arguments passed on, and a personality that takes every exception.
//
//===----------------------------------------------------------------------===//

// fromsource::GuardBlock
#define TARGET 0
#define STACK_WORDS 8
#define ENTER 24
#define BLOCK_BYTES 32

#define PAGE_BYTES 4096
#define THUNK_BYTES 16

// A page of its own, which is mapped again for every 256 functions: each time
// with the blocks in the two pages that follow, so no code is ever written.
	.section .text.fromsource_thunks,"ax",@progbits
	.p2align 12
	.hidden fromsource_thunk_page
	.globl fromsource_thunk_page
	.type fromsource_thunk_page, @object
fromsource_thunk_page:
	.set index, 0
	.rept PAGE_BYTES / THUNK_BYTES
	leaq fromsource_thunk_page + PAGE_BYTES + BLOCK_BYTES * index(%rip), %r10
	jmpq *ENTER(%r10)
	.p2align 4
	.set index, index + 1
	.endr
	.size fromsource_thunk_page, PAGE_BYTES

	.text
	.p2align 4
	.hidden fromsource_guard_enter
	.globl fromsource_guard_enter
	.type fromsource_guard_enter, @function
fromsource_guard_enter:
	.cfi_startproc
	.cfi_personality 0x1b, fromsource_guard_personality
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq %rbx
	.cfi_offset %rbx, -24
	movq %r10, %rbx
	// An odd number, so that the stack is aligned: one word more than needed
	// does no harm.
	movzwl STACK_WORDS(%r10), %r11d
1:	pushq 8(%rbp, %r11, 8)
	decl %r11d
	jnz 1b
	callq *TARGET(%r10)
	movq -8(%rbp), %rbx
	leave
	.cfi_remember_state
	.cfi_def_cfa %rsp, 8
	retq

// Where the personality sends an exception, which is in %rax then; the
// registers that a function keeps are what they were at the call.
	.hidden fromsource_guard_caught
	.globl fromsource_guard_caught
fromsource_guard_caught:
	.cfi_restore_state
	leaq -16(%rbp), %rsp
	movq %rax, %rdi
	movq %rbx, %rsi
	callq fromsource_guard_keep
	// Zero is a value of every type.
	xorl %eax, %eax
	xorps %xmm0, %xmm0
	movq -8(%rbp), %rbx
	leave
	.cfi_def_cfa %rsp, 8
	retq
	.cfi_endproc
	.size fromsource_guard_enter, . - fromsource_guard_enter

	.section .note.GNU-stack,"",@progbits
