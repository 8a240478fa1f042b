! The same as cg.c: conjugate gradients for a band matrix whose rows are spread over the ranks.
module band
  use mpi
  implicit none
  integer, parameter :: real8 = kind(1d0), n = 2000
  real(real8), parameter :: diagonal = 3
  integer :: rank, size, first, rows, ierror
contains
  real(real8) function solution(row)
    integer, intent(in) :: row
    solution = 0
    if (row >= 0 .and. row < n) solution = 1 + mod(row, 17) / 8d0
  end function

  real(real8) function dot(one, other)
    real(real8), intent(in) :: one(:), other(:)
    real(real8) :: part(1), total(1)
    part = sum(one * other)
    call MPI_Allreduce(part, total, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, ierror)
    dot = total(1)
  end function

  subroutine multiply(vector, product)
    real(real8), intent(inout) :: vector(0:)
    real(real8), intent(out) :: product(:)
    integer :: before, after
    before = merge(rank - 1, MPI_PROC_NULL, rank > 0)
    after = merge(rank + 1, MPI_PROC_NULL, rank + 1 < size)
    call MPI_Sendrecv(vector(rows), 1, MPI_DOUBLE_PRECISION, after, 0, vector(0), 1, &
                      MPI_DOUBLE_PRECISION, before, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE, ierror)
    call MPI_Sendrecv(vector(1), 1, MPI_DOUBLE_PRECISION, before, 1, vector(rows + 1), 1, &
                      MPI_DOUBLE_PRECISION, after, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE, ierror)
    product = diagonal * vector(1:rows) - vector(0:rows - 1) - vector(2:rows + 1)
  end subroutine
end module

program cg
  use band
  implicit none
  real(real8), allocatable :: x(:), residual(:), search(:), product(:)
  real(real8) :: square, before, enough, length, worst(1), error(1), part(1), total(1)
  integer :: i, step

  call MPI_Init(ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierror)
  first = n * rank / size
  rows = n * (rank + 1) / size - first
  allocate (x(rows), residual(rows), search(0:rows + 1), product(rows))
  x = 0
  search = 0
  do i = 1, rows
    residual(i) = diagonal * solution(first + i - 1) - solution(first + i - 2) - solution(first + i)
  end do
  search(1:rows) = residual
  square = dot(residual, residual)
  enough = square * 1d-26
  do step = 1, 200
    if (square <= enough) exit
    call multiply(search, product)
    length = square / dot(search(1:rows), product)
    x = x + length * search(1:rows)
    residual = residual - length * product
    before = square
    square = dot(residual, residual)
    search(1:rows) = residual + square / before * search(1:rows)
  end do
  worst = 0
  do i = 1, rows
    worst = max(worst, abs(x(i) - solution(first + i - 1)))
  end do
  part = sum(x)
  call MPI_Allreduce(worst, error, 1, MPI_DOUBLE_PRECISION, MPI_MAX, MPI_COMM_WORLD, ierror)
  call MPI_Reduce(part, total, 1, MPI_DOUBLE_PRECISION, MPI_SUM, 0, MPI_COMM_WORLD, ierror)
  if (error(1) > 1d-10) then
    print *, 'cg: off by ', error
    call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
  end if
  if (rank == 0) print '(a, i0, a, f11.6)', 'cg: ', n, ' unknowns, their sum is ', total(1)
  call MPI_Finalize(ierror)
end program
