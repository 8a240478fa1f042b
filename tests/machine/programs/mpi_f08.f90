! MPI by the module mpi_f08: handles and statuses as types, no ierror, comparisons, an operation and an
! attribute of the program, a derived datatype. Checks itself; the last line of rank 0 is "f08: fine".
module f08_parts
  use mpi_f08
  use, intrinsic :: iso_c_binding, only: c_ptr, c_f_pointer
  implicit none
  integer :: rank, size
contains
  subroutine check(condition, text)
    logical, intent(in) :: condition
    character(len=*), intent(in) :: text
    if (condition) return
    print *, 'rank ', rank, ': ', text
    call MPI_Abort(MPI_COMM_WORLD, 3)
  end subroutine

  subroutine ring(comm)
    type(MPI_Comm), intent(in) :: comm
    type(MPI_Request) :: requests(2)
    type(MPI_Status) :: statuses(2), status
    integer :: out(10), in(10), left, right, count, ierror
    left = modulo(rank - 1, size)
    right = modulo(rank + 1, size)
    out = rank
    call MPI_Irecv(in, 10, MPI_INTEGER, left, 1, comm, requests(1))
    call MPI_Isend(out, 10, MPI_INTEGER, right, 1, comm, requests(2))
    call check(requests(1) /= MPI_REQUEST_NULL, 'a request is null')
    call MPI_Waitall(2, requests, statuses)
    call check(requests(1) == MPI_REQUEST_NULL, 'a request stays')
    call check(all(in == left), 'the ring')
    call check(statuses(1)%MPI_SOURCE == left .and. statuses(1)%MPI_TAG == 1, 'a status')
    call MPI_Get_count(statuses(1), MPI_INTEGER, count)
    call check(count == 10, 'a count')
    call MPI_Sendrecv(out, 1, MPI_INTEGER, right, 2, in, 1, MPI_INTEGER, left, 2, comm, status, ierror)
    call check(ierror == MPI_SUCCESS .and. status%MPI_TAG == 2, 'sendrecv')
    call MPI_Sendrecv(out, 1, MPI_INTEGER, right, 2, in, 1, MPI_INTEGER, left, 2, comm, MPI_STATUS_IGNORE)
  end subroutine

  subroutine greatest(in, inout, length, datatype)
    type(c_ptr), value :: in, inout
    integer :: length
    type(MPI_Datatype) :: datatype
    integer, pointer :: one(:), other(:)
    call check(datatype == MPI_INTEGER, 'the type in an operation')
    call c_f_pointer(in, one, [length])
    call c_f_pointer(inout, other, [length])
    other = max(one, other)
  end subroutine

  subroutine reductions(comm)
    type(MPI_Comm), intent(in) :: comm
    type(MPI_Op) :: op
    integer :: mine(3), all_of_them(3), sum
    call MPI_Op_create(greatest, .true., op)
    mine = [rank, -rank, 7]
    call MPI_Allreduce(mine, all_of_them, 3, MPI_INTEGER, op, comm)
    call check(all(all_of_them == [size - 1, 0, 7]), 'an operation of the program')
    call MPI_Op_free(op)
    call check(op == MPI_OP_NULL, 'an operation stays')
    sum = rank
    call MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_INTEGER, MPI_SUM, comm)
    call check(sum == size * (size - 1) / 2, 'in place')
  end subroutine

  subroutine others(comm)
    type(MPI_Comm), intent(in) :: comm
    type(MPI_Datatype) :: column
    type(MPI_Comm) :: copy
    type(MPI_Info) :: info
    integer :: matrix(4, 4), got(4), i, keyval, length
    integer(kind=MPI_ADDRESS_KIND) :: value, state
    logical :: flag
    character(len=MPI_MAX_OBJECT_NAME) :: name
    matrix = reshape([(i, i=1, 16)], [4, 4])
    call MPI_Type_vector(4, 1, 4, MPI_INTEGER, column)
    call MPI_Type_commit(column)
    call MPI_Sendrecv(matrix(2, 1), 1, column, rank, 5, got, 4, MPI_INTEGER, rank, 5, comm, MPI_STATUS_IGNORE)
    call check(all(got == [2, 6, 10, 14]), 'a row of a matrix')
    call MPI_Type_free(column)
    state = 0
    call MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, keyval, state)
    value = 1234567890123_MPI_ADDRESS_KIND
    call MPI_Comm_set_attr(comm, keyval, value)
    call MPI_Comm_dup(comm, copy)
    value = 0
    call MPI_Comm_get_attr(copy, keyval, value, flag)
    call check(flag .and. value == 1234567890123_MPI_ADDRESS_KIND, 'an attribute')
    call MPI_Comm_get_attr(comm, MPI_WTIME_IS_GLOBAL, value, flag)
    call check(flag .and. (value == 0 .or. value == 1), 'a predefined attribute')
    call MPI_Comm_set_name(copy, 'a copy')
    call MPI_Comm_get_name(copy, name, length)
    call check(name == 'a copy' .and. length == 6, 'a name')
    call MPI_Comm_free(copy)
    call check(copy == MPI_COMM_NULL, 'a communicator stays')
    call MPI_Info_create(info)
    call MPI_Info_set(info, 'key', 'value')
    call MPI_Info_get(info, 'key', MPI_MAX_OBJECT_NAME, name, flag)
    call check(flag .and. name == 'value', 'an info')
    call MPI_Info_free(info)
  end subroutine
end module

program f08
  use f08_parts
  implicit none
  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, size)
  call ring(MPI_COMM_WORLD)
  call reductions(MPI_COMM_WORLD)
  call others(MPI_COMM_WORLD)
  call MPI_Barrier(MPI_COMM_WORLD)
  if (rank == 0) print '(a)', 'f08: fine'
  call MPI_Finalize()
end program
